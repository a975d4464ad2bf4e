# keyart serve: the base install, without torch, as a user without write access.
#
#   docker build -t keyart .
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 -e KEYART_TOKEN=... keyart
#
# With another model than the one that comes with keyart:
#
#   docker run ... -v "$PWD/bundle:/model:ro" keyart serve --host 0.0.0.0 --port 8000 --model /model

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/service.txt requirements/
RUN python -m venv --without-pip /opt/keyart \
    && python -m pip --python /opt/keyart/bin/python install \
        --require-hashes --only-binary :all: -r requirements/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip install hatchling==1.33.0 \
    && python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m pip --python /opt/keyart/bin/python install --no-deps /wheels/keyart-*.whl

FROM python:3.13-slim-bookworm
COPY --from=build /opt/keyart /opt/keyart
ENV PATH=/opt/keyart/bin:$PATH PYTHONUNBUFFERED=1
# A number, so that an orchestrator can check that it is not root.
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["keyart"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
