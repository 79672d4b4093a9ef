# The program lrd on the CPU:  docker build -t lrd_ext . && docker run --rm -v "$PWD:/data" lrd_ext doctor
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++
WORKDIR /src
COPY constraints.txt .
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu \
    torch numpy setuptools wheel pybind11 ninja
COPY . .
RUN LRD_EXT_NATIVE=1 pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
COPY constraints.txt /wheels/
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --constraint /wheels/constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu /wheels/*.whl \
    && rm -r /wheels && lrd doctor
WORKDIR /data
ENTRYPOINT ["lrd"]
CMD ["--help"]
