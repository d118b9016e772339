# syntax=docker/dockerfile:1
# Build and run: docs/containers.md.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS build
# The address of an index with CPU builds of PyTorch. Without it, pip installs a build for CUDA.
ARG TORCH_INDEX=""
WORKDIR /source
COPY . .
RUN python -m venv /opt/rnaformer \
    && /opt/rnaformer/bin/pip install --no-cache-dir -c constraints.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} .

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="rnaformer" \
      org.opencontainers.image.description="RNA secondary structure prediction with an RNAformer" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nextflow measures its tasks with ps.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends procps \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/rnaformer /opt/rnaformer
ENV PATH="/opt/rnaformer/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["rnaformer"]
CMD ["--help"]
