# One image for every service of docker-compose.yml: `docker build -t neckline .`

FROM python:3.11-slim AS build
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
RUN pip install --no-cache-dir uv && python -m venv /opt/neckline
WORKDIR /src
# The lock decides the versions; what only tests need is not installed.
COPY pyproject.toml requirements.lock ./
RUN uv pip compile pyproject.toml --constraint requirements.lock --generate-hashes --no-header --quiet \
        --python-version 3.11 -o /tmp/run.lock \
    && uv pip install --no-cache --python /opt/neckline/bin/python --require-hashes -r /tmp/run.lock
COPY LICENSE README.md ./
COPY search_space search_space
COPY supernet supernet
COPY evaluators evaluators
COPY search search
COPY service service
RUN uv pip install --no-cache --python /opt/neckline/bin/python --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin neckline \
    && install -d -o neckline -g neckline -m 0700 /data /secrets/ray \
    && install -d -o neckline -g neckline -m 0755 /secrets/database
COPY --from=build /opt/neckline /opt/neckline
ENV PATH=/opt/neckline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NECKLINE_DATA=/data \
    RAY_USAGE_STATS_ENABLED=0
USER neckline
WORKDIR /home/neckline
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT []
CMD ["neckline", "serve"]
