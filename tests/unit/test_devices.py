"""The device that was asked for, or an error that says what there is instead."""

from __future__ import annotations

import pytest
import torch

from cryoscore_plugin import devices
from cryoscore_plugin.devices import (
    CPU_MEMORY,
    Engine,
    choose_devices,
    choose_dtype,
    out_of_memory,
    use_exact_arithmetic,
    use_threads,
)
from cryoscore_plugin.errors import ConfigError, DeviceError
from cryoscore_plugin.inference.posterior_mean import posterior_mean
from cryoscore_plugin.networks.unet import UNetSettings
from cryoscore_plugin.preconditioning import PreconditionedDenoiser

CPU = torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    """Let torch see as many GPUs as a test says."""

    def pretend(count: int, *, built: str | None = "12.8") -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.version, "cuda", built)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return pretend


def test_auto_takes_the_gpu_that_is_there(gpus) -> None:
    gpus(2)
    assert choose_devices("auto") == [torch.device("cuda", 0)]
    gpus(0)
    assert choose_devices("auto") == [CPU]


def test_the_cpu_is_taken_when_asked_for_although_there_is_a_gpu(gpus) -> None:
    gpus(2)
    assert choose_devices("cpu") == [CPU]


@pytest.mark.parametrize(
    ("request_", "numbers"), [("cuda", [0]), ("1", [1]), ("0, 2", [0, 2])]
)
def test_numbers_choose_gpus(gpus, request_: str, numbers: list[int]) -> None:
    gpus(3)
    expected = [torch.device("cuda", number) for number in numbers]
    assert choose_devices(request_) == expected


@pytest.mark.parametrize("request_", ["cuda", "0", "0,1"])
def test_a_missing_gpu_is_an_error_that_names_the_cpu(gpus, request_: str) -> None:
    gpus(0)
    with pytest.raises(DeviceError, match=r"sees no GPU\. .*--device cpu"):
        choose_devices(request_)


def test_a_torch_without_cuda_is_said_to_be_one(gpus) -> None:
    gpus(0, built=None)
    with pytest.raises(DeviceError, match="built without CUDA"):
        choose_devices("cuda")


def test_a_number_too_high_says_how_many_there_are(
    gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    with pytest.raises(DeviceError, match=r"sees 2 GPU.*'4,5'\)\. Use --device 0,1"):
        choose_devices("0,4")


@pytest.mark.parametrize("request_", ["gpu", "", "0,0", "-1", "0;1", "cuda:0"])
def test_a_word_that_is_no_device_is_refused(gpus, request_: str) -> None:
    gpus(2)
    with pytest.raises(ConfigError, match="auto, cpu, cuda, or different GPU numbers"):
        choose_devices(request_)


@pytest.mark.parametrize("native", [True, False])
def test_auto_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(
        torch.cpu, "_is_avx512_bf16_supported", lambda: native, raising=False
    )
    monkeypatch.setattr(
        torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False
    )
    expected = torch.bfloat16 if native else torch.float32
    assert choose_dtype("auto", CPU) == expected


@pytest.mark.parametrize(("capability", "native"), [((7, 5), False), ((8, 0), True)])
def test_auto_precision_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], native: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    expected = torch.bfloat16 if native else torch.float32
    assert choose_dtype("auto", torch.device("cuda", 0)) == expected


def test_precision_that_is_asked_for_is_taken() -> None:
    assert choose_dtype("bfloat16", CPU) == torch.bfloat16
    assert choose_dtype("float32", CPU) == torch.float32


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch):
    """Threads of torch, put back afterwards."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_threads_are_those_asked_for_else_the_allowed_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_threads(1)
    assert torch.get_num_threads() == 1
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: {3, 5})
    use_threads(None)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("threads")
def test_threads_of_the_environment_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    use_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda _: {3, 5})
    use_threads(None)
    assert torch.get_num_threads() == 1


def test_a_gpu_may_neither_round_float32_nor_choose_by_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cudnn = torch.backends.cudnn
    for name, value in (("benchmark", True), ("deterministic", False)):
        monkeypatch.setattr(cudnn, name, value)
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    use_exact_arithmetic()
    assert cudnn.deterministic
    assert not cudnn.benchmark
    assert not cudnn.allow_tf32


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_full_memory_is_told_from_other_errors(error: Exception, expected) -> None:
    assert out_of_memory(error) == expected


def test_a_larger_network_gets_fewer_pixels() -> None:
    engine = Engine(device=CPU, bytes_per_pixel=1000.0)
    assert engine.pixels_at_once == CPU_MEMORY // 1000


def test_a_gpu_gives_what_is_free_and_what_torch_holds_unused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (600, 10_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 300)
    engine = Engine(device=torch.device("cuda", 0), bytes_per_pixel=1.0)
    assert engine.pixels_at_once == 700


def test_the_description_names_device_and_arithmetic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    gpu = Engine(device=torch.device("cuda", 1), dtype=torch.bfloat16)
    assert gpu.description == "GPU 1 (Tesla T4), bfloat16"
    assert Engine(device=CPU).description.startswith("CPU, ")


@pytest.mark.gpu
def test_a_real_gpu_gives_what_the_cpu_gives() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    torch.manual_seed(1)
    network = PreconditionedDenoiser(UNetSettings(channels=(8, 8), embedding=4))
    torch.nn.init.kaiming_normal_(network.network.head.weight)
    image = torch.randn(130, 150)
    gpu = torch.device("cuda", 0)
    there = posterior_mean(network.to(gpu), image.to(gpu), Engine(device=gpu)).cpu()
    here = posterior_mean(network.cpu(), image, Engine(device=CPU))
    assert (there - here).std() < 1e-4 * here.std()
