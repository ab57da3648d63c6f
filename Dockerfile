# The gateway alone: no test tools, no compiler, no pip, and nobody but an unprivileged user.
#
#   docker build -t tidegate .
#   docker run --read-only --tmpfs /tmp -p 8080:8080 \
#     -v ./tidegate.yaml:/etc/tidegate/tidegate.yaml:ro -v tidegate:/var/lib/tidegate tidegate
#
# With `directory: {url: "sqlite:////var/lib/tidegate/directory.db"}`, or a PostgreSQL and no volume.
# In tidegate.yaml, `listen: 0.0.0.0:8080`. `admin` stays at its default, 127.0.0.1:8081, for the health check below;
# say 0.0.0.0:8081 where metrics are scraped from outside, and keep that port from the public.
ARG PYTHON=3.11-slim

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Dependencies first: this layer lasts until a lock changes. Everything is pinned by hash.
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m pip install --require-hashes -r requirements-build.lock \
    && python -m venv --without-pip /opt/tidegate \
    && python -m pip --python /opt/tidegate/bin/python install --only-binary :all: \
        --require-hashes -r requirements-runtime.lock

COPY pyproject.toml README.md LICENSE ./
COPY policies policies
COPY gateway gateway
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m pip --python /opt/tidegate/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="tidegate" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is written but to /tmp (sockets between the supervisor and its workers) and to the directory's volume, so the
# root can be read-only.
ENV PATH=/opt/tidegate/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

COPY --from=build /opt/tidegate /opt/tidegate
COPY --from=build /src/policies /etc/tidegate/policies
# A named volume takes over who owns the folder.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/tidegate

# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001:10001
WORKDIR /etc/tidegate
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["tidegate"]
CMD ["serve", "--config", "/etc/tidegate/tidegate.yaml"]
