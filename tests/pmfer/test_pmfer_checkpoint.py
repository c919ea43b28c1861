"""A checkpoint that cannot be used is refused with a reason."""

from pathlib import Path

import pytest
import torch
from pmfer_faces import made_faces
from small_model import SMALL, model_table

from pmfer.checkpoint import (
    AVERAGED_FILE,
    CHECKPOINT_FILE,
    blend_with_start,
    build_model,
    load_checkpoint,
    write_averaged,
)
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.errors import TrainingError
from pmfer.runs import TrainRequest, run_training
from pmfer.train import train

CONFIG = TrainConfig(model=SMALL, schedule=ScheduleConfig(epochs=2, batch=8, sizes_px=((0.0, 32),)))


def test_a_run_does_not_go_on_from_averaged_weights_alone(checkpoint: Path, tmp_path: Path) -> None:
    write_averaged([checkpoint], tmp_path / CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="only averaged weights"):
        train(load_checkpoint(checkpoint)[0], made_faces(), made_faces(), tmp_path, device=torch.device("cpu"))


def test_a_run_cannot_start_from_another_kind_of_model(checkpoint: Path, tmp_path: Path) -> None:
    wide = CONFIG.model_copy(update={"start": str(checkpoint), "model": SMALL.model_copy(update={"latent": 32})})
    with pytest.raises(TrainingError, match="trained with another model"):
        train(wide, made_faces(), made_faces(), tmp_path, device=torch.device("cpu"))


def test_of_the_start_the_picture_side_alone_is_kept_by_its_share(checkpoint: Path) -> None:
    config, began, _, _ = load_checkpoint(checkpoint)
    later = {name: weight + 1 if weight.is_floating_point() else weight for name, weight in began.state_dict().items()}
    model = build_model(config)
    model.load_state_dict(later)
    blend_with_start(model, config.model_copy(update={"start": str(checkpoint)}), 0.25)
    for name, weight in model.state_dict().items():
        kept = 0.25 if name.startswith("image_encoder.") and weight.is_floating_point() else 0.0
        torch.testing.assert_close(weight, later[name] - kept if kept else later[name], rtol=0, atol=1e-5)
    with pytest.raises(TrainingError, match="did not start from another checkpoint"):
        blend_with_start(model, config, 0.25)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    faces = made_faces(8)
    other = CONFIG.model_copy(update={"schedule": ScheduleConfig(epochs=1, batch=8, sizes_px=((0.0, 32),))})
    train(other, faces, faces, tmp_path, device=torch.device("cpu"))
    with pytest.raises(TrainingError, match="another configuration"):
        train(CONFIG, faces, faces, tmp_path, device=torch.device("cpu"))


def test_a_checkpoint_of_another_form_of_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    del content["averaged"]["log_scale"]
    torch.save(content, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="written by another release"):
        load_checkpoint(tmp_path / CHECKPOINT_FILE)


@pytest.mark.parametrize("content", [b"nothing", b"hello\n", b""])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        load_checkpoint(tmp_path / CHECKPOINT_FILE)


def test_the_mean_of_runs_lies_between_them(checkpoint: Path, tmp_path: Path) -> None:
    tuned = CONFIG.model_copy(update={"start": str(checkpoint), "runs": 2})
    faces, cpu = made_faces(), torch.device("cpu")
    single = [tuned.model_copy(update={"runs": 1}).with_seed(seed) for seed in (3, 4)]
    ends = [train(each, faces, faces, tmp_path / str(n), device=cpu) for n, each in enumerate(single)]
    write_averaged(ends, tmp_path / "mean.pt", tuned)
    read, mean, _, _ = load_checkpoint(tmp_path / "mean.pt")
    assert read == tuned
    first, second = (load_checkpoint(end)[1].state_dict() for end in ends)
    for name, weight in mean.named_parameters():
        torch.testing.assert_close(weight.detach(), (first[name] + second[name]) / 2, atol=2e-3, rtol=2e-3)
    assert any(not torch.equal(first[name], second[name]) for name, _ in mean.named_parameters())


def test_several_runs_lie_beside_each_other_and_their_mean_above(
    ferplus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    config = _two_runs(tmp_path, load_checkpoint(checkpoint)[0], f'start = "{checkpoint}"')
    written = Path(run_training(TrainRequest(config, ferplus, tmp_path / "out", None)))
    assert written == tmp_path / "out" / AVERAGED_FILE
    read, mean, _, _ = load_checkpoint(written)
    runs = [load_checkpoint(tmp_path / "out" / f"run-{n}" / CHECKPOINT_FILE) for n in (1, 2)]
    assert (read.runs, [run[0].schedule.seed for run in runs]) == (2, [5, 6])
    first, second = (run[1].log_scale for run in runs)
    torch.testing.assert_close(mean.log_scale, (first + second) / 2, atol=2e-3, rtol=2e-3)


def test_runs_that_never_had_common_weights_have_no_mean(ferplus: Path, checkpoint: Path, tmp_path: Path) -> None:
    config = _two_runs(tmp_path, load_checkpoint(checkpoint)[0])
    written = run_training(TrainRequest(config, ferplus, tmp_path / "out", None)).splitlines()
    assert [Path(path) for path in written] == [tmp_path / "out" / f"run-{n}" / CHECKPOINT_FILE for n in (1, 2)]
    assert not (tmp_path / "out" / AVERAGED_FILE).exists()


def _two_runs(folder: Path, options: TrainConfig, *lines: str) -> Path:
    path = folder / "runs.toml"
    size_px = options.size_px
    path.write_text(
        "\n".join([*lines, f"runs = 2\nsize_px = {size_px}", model_table(options.model)])
        + f"\n[schedule]\nepochs = 1\nbatch = 8\nsizes_px = [[0.0, {size_px}]]\nseed = 5\n"
    )
    return path
