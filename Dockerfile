# An image that runs studies; without arguments, the smoke study. README.md has the commands.
# DEVICE is a folder of https://download.pytorch.org/whl: cpu, or cu130 for GPUs.
FROM python:3.12-slim
ARG DEVICE=cpu

# make and git install the project and name its commit; g++ compiles updates.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git make \
    && rm -rf /var/lib/apt/lists/*

# The whole checkout, so that results can name its commit; .dockerignore leaves out the rest.
COPY . /fmq
RUN make --directory /fmq install PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/$DEVICE

# Any user may run it, with or without an account: home and caches are in the study's folder.
RUN mkdir --mode 1777 /study
WORKDIR /study
ENV PATH=/fmq/.venv/bin:$PATH HOME=/study
ENTRYPOINT ["fmq", "run"]
CMD ["smoke"]
