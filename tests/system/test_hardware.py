"""What Linux tells of CPU and memory is read; where nothing is told, nothing is said."""

from striate.system.hardware import cpu_features, memory_allowed_bytes, memory_free_bytes


def test_features_of_intel_and_of_arm(tmp_path):
    (tmp_path / "intel").write_text("processor : 0\nflags\t\t: fpu avx avx2 amx_bf16 avx512f\n")
    (tmp_path / "arm").write_text("processor : 0\nFeatures : fp asimd bf16\n")
    assert cpu_features(tmp_path / "intel") == ["avx2", "avx512f", "amx_bf16"]
    assert cpu_features(tmp_path / "arm") == ["asimd", "bf16"]
    assert cpu_features(tmp_path / "nothing") == []


def test_free_memory(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:     512 kB\n")
    assert memory_free_bytes(tmp_path / "meminfo") == 512 << 10
    assert memory_free_bytes(tmp_path / "nothing") is None
    assert memory_allowed_bytes() > 1 << 20
