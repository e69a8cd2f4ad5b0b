"""The settings of a study: typed sections, and the code that reads and checks them."""
