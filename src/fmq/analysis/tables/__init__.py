"""Write tables as LaTeX, Markdown, CSV and HTML pages."""
