# The program lrd on the CPU:  docker build -t lrd_ext . && docker run --rm -v "$PWD:/data" lrd_ext doctor
# --build-arg TORCH_INDEX=URL takes torch from the index of its CPU builds, which pytorch.org names, and not 5 GB of CUDA.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++
ARG TORCH_INDEX
WORKDIR /src
COPY constraints.txt .
RUN pip install --no-cache-dir --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    torch numpy setuptools wheel pybind11 ninja
COPY . .
RUN LRD_EXT_NATIVE=1 pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
ARG TORCH_INDEX
COPY constraints.txt /wheels/
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --constraint /wheels/constraints.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} /wheels/*.whl \
    && rm -r /wheels && lrd doctor
WORKDIR /data
ENTRYPOINT ["lrd"]
CMD ["--help"]
