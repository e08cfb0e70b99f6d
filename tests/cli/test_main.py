"""Every command, with a model from outside the package, and every mistake a user can make."""

import csv
import dataclasses
import io
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from rdbound.channels import CHANNELS
from rdbound.checkpoints.checkpoint import resolve, save_checkpoint
from rdbound.checkpoints.file_format import read_contents
from rdbound.cli.main import main
from rdbound.coding.coders.registry import CODERS
from rdbound.models import MODELS, make_model
from rdbound.sources import SOURCES
from rdbound.tables.rd import read_table, write_table
from tests.analysis.test_gaps import make_rows
from tests.toy import LOSSLESS_SPEC, LosslessToy

ROOT = Path(__file__).parents[2]

REFINEMENT = {
    "steps": 40,
    "check_every": 10,
    "learning_rate": 0.05,
    "surrogates": {"sga": {"start": 0.125, "final": 0.0868870}},
}
MODEL = {"name": "tests.toy:Toy", "lmbda": [0.001, 0.1]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures, and a trained pair of outside models."""
    root = tmp_path_factory.mktemp("user")
    rng = np.random.default_rng(0)
    (root / "pictures").mkdir()
    for i, size in enumerate(((24, 40, 3), (24, 40, 3), (17, 31, 3))):
        smooth = np.kron(rng.integers(0, 256, (3, 5, 3)), np.ones((8, 8, 1)))[: size[0], : size[1]]
        Image.fromarray(smooth.astype(np.uint8)).save(root / "pictures" / f"{i}.png")
    for form, channel in (("bound", "gaussian"), ("codec", "mixed")):
        config = {
            "output": str(root / form),
            "model": MODEL | {"form": form},
            "training": {
                "data": {"source": "folder", "path": str(root / "pictures"), "crop": 16},
                "channel": {"name": channel},
                "options": {"steps": 60, "batch": 4, "learning_rate": 3e-3, "warmup": 5},
            },
        }
        if form == "codec":
            config["model"]["start_from"] = str(root / "bound")
        (root / f"{form}.yaml").write_text(yaml.safe_dump(config))
        assert main(["train", str(root / f"{form}.yaml")]) == 0
    return root


def _evaluation(root, output, **extra):
    config = {
        "output": str(output),
        "evaluation": {
            "checkpoints": [str(root / "bound"), str(root / "codec")],
            "data": {"source": "folder", "path": str(root / "pictures")},
            "lmbdas": [0.003, 0.01, 0.03],
            "refinement": REFINEMENT,
            "batch": 2,
            "keep_streams": True,
            "outside": [MODEL["name"]],
        }
        | extra,
    }
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config))
    return path


def _fails(capsys, *argv):
    """Exit code 2, nothing but error lines; returns them."""
    assert main([str(a) for a in argv]) == 2
    text = capsys.readouterr().err
    # What follows a carriage return has overwritten a progress bar.
    lines = [line.rpartition("\r")[2] for line in text.split("\n") if line]
    assert all(line.startswith("rdbound: error: ") for line in lines)
    assert "Traceback" not in text
    return text


def test_alone_it_lists_its_commands(capsys):
    assert main([]) == 0
    alone = capsys.readouterr().out
    for name in ("quickstart", "train", "evaluate", "gaps", "bd-rate", "compress", "list"):
        assert f"\n  {name} " in alone
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rdbound {version('rdbound')}\n"


def test_as_a_module_it_is_the_same(capsys):
    run = subprocess.run([sys.executable, "-m", "rdbound", "--version"], capture_output=True)
    assert run.stdout.decode() == f"rdbound {version('rdbound')}\n"


def test_evaluate_then_gaps(folder, tmp_path, capsys):
    assert main(["evaluate", str(_evaluation(folder, tmp_path / "run"))]) == 0
    out = capsys.readouterr().out
    assert "digitization" in out
    assert "In theory the asymptotic gap need not exceed" in out
    run = tmp_path / "run"
    for name in (
        "rd.csv",
        "gaps.csv",
        "rd_curve.png",
        "rd_curve.pdf",
        "gaps.png",
        "gaps.pdf",
        "report.md",
        "config.yaml",
        "provenance.json",
    ):
        assert (run / name).stat().st_size > 0, name
    rows = read_table(run / "rd.csv")
    assert len(rows) == 3 * 3 * (7 + 2)
    assert all((r.bytes is not None) == r.method.endswith("coded") for r in rows)
    assert all((r.J_se is not None) == r.method.startswith("bound") for r in rows)
    assert len(list((run / "streams").rglob("*.rdb"))) == 3 * 3 * 2
    J = {(r.image, r.lmbda, r.method): r.J for r in rows}
    for image, lmbda, method in J:
        if method == "codec-refined-ideal":
            assert J[image, lmbda, method] <= J[image, lmbda, "codec-ideal"] + 1e-6
    capsys.readouterr()
    assert main(["gaps", str(run / "rd.csv"), "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "gaps.csv").read_text() == (run / "gaps.csv").read_text()
    assert main(["evaluate", str(tmp_path / "run.yaml")]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert "already" in _fails(capsys, "gaps", run / "rd.csv", "--output", run)


@pytest.mark.slow
def test_same_config_and_seed_same_table(folder, tmp_path):
    for name in ("a", "b"):
        path = _evaluation(
            folder, tmp_path / name, lmbdas=[0.01], checkpoints=[str(folder / "codec")]
        )
        assert main(["evaluate", str(path)]) == 0
    assert (tmp_path / "a" / "rd.csv").read_text() == (tmp_path / "b" / "rd.csv").read_text()


def test_an_interrupted_evaluation_goes_on(folder, tmp_path):
    path = _evaluation(folder, tmp_path / "run", refinement=None)
    assert main(["evaluate", str(path)]) == 0
    table, run = (tmp_path / "run" / "rd.csv").read_text(), tmp_path / "run"
    lines = table.splitlines()
    # Half of the rows are kept, one of them with a mark of its own.
    marked = lines[1].replace(",0,8,0", ",0,8,77")
    (run / "rd.partial.csv").write_text("\n".join([lines[0], marked, *lines[2:12]]) + "\n")
    (run / "rd.csv").unlink()
    (run / "finished.json").unlink()
    assert main(["evaluate", str(path)]) == 0
    assert (run / "rd.csv").read_text().splitlines() == [lines[0], marked, *lines[2:]]
    assert not (run / "rd.partial.csv").exists()


DROPPED = """
import gc, signal, sys, time
from rdbound.cli.main import script
from rdbound.cli.shared import command
class Late:
    def __del__(self):
        {inside}
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" has it ignored
gc.callbacks.append(lambda phase, info: {callback})
@command("late")
def late(terminal):
    Late()
    gc.collect()
    for _ in range(400):
        time.sleep(0.05)
sys.argv = ["rdbound", "late"]
script()
"""
CTRL_C = "signal.raise_signal(signal.SIGINT)"


@pytest.mark.parametrize(
    ("inside", "callback"),
    [(CTRL_C, "None"), ("pass", f"(gc.callbacks.pop(), {CTRL_C})")],
    ids=["finalizer", "collector"],
)
def test_ctrl_c_is_not_lost_where_python_drops_exceptions(inside, callback):
    """JAX has the garbage collector call it, for one; what is raised there is only printed."""
    source = DROPPED.format(inside=inside, callback=callback)
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=15)
    assert run.returncode == 130
    assert run.stderr == "rdbound: interrupted; start the same command again to go on\n"


def test_compress_and_decompress(folder, tmp_path, capsys):
    picture, stream, back = folder / "pictures" / "2.png", tmp_path / "a.rdb", tmp_path / "a.png"
    checkpoint = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"]]
    assert main(["compress", str(picture), str(stream), *checkpoint, "--lmbda", "0.05"]) == 0
    assert main(["decompress", str(stream), str(back), *checkpoint]) == 0
    assert Image.open(back).size == Image.open(picture).size
    assert "exists already" in _fails(capsys, "compress", picture, stream, *checkpoint)
    damaged = bytearray(stream.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "b.rdb").write_bytes(damaged)
    text = _fails(capsys, "decompress", tmp_path / "b.rdb", tmp_path / "b.png", *checkpoint)
    assert "b.rdb: truncated or damaged" in text
    assert not (tmp_path / "b.png").exists()
    (tmp_path / "c.rdb").write_bytes(b"")
    assert "empty file" in _fails(
        capsys, "decompress", tmp_path / "c.rdb", tmp_path / "c.png", *checkpoint
    )
    assert "another model" in _fails(capsys, "decompress", stream, tmp_path / "d.png")
    assert "written losslessly" in _fails(
        capsys, "decompress", stream, tmp_path / "d.xyz", *checkpoint
    )
    text = _fails(capsys, "compress", picture, tmp_path / "e.rdb", *checkpoint, "--lmbda", "7")
    assert "outside the model's range" in text


def test_folders_and_several_files_go_to_a_folder_and_their_psnr_is_told(folder, tmp_path, capsys):
    own = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"]]
    pictures = tmp_path / "in"
    (pictures / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        (pictures / name).write_bytes((folder / "pictures" / "2.png").read_bytes())
    (pictures / "sub" / "c.png").write_text("no image")
    text = _fails(capsys, "compress", pictures, tmp_path / "out", *own)
    assert "sub/c.png: not a PNG, JPEG, WebP or TIFF image" in text
    assert "a.png" not in text
    streams = sorted(p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.rdb"))
    assert [str(p) for p in streams] == ["a.rdb", "sub/b.rdb"]
    assert "exists already" in _fails(capsys, "compress", pictures, tmp_path / "out", *own)
    assert main(["decompress", str(tmp_path / "out"), str(tmp_path / "back"), *own]) == 0
    original, back = (
        np.asarray(Image.open(p).convert("RGB")).astype(float)
        for p in (pictures / "a.png", tmp_path / "back" / "a.png")
    )
    expected = 10 * np.log10(255**2 / np.mean((original - back) ** 2))
    capsys.readouterr()
    one = [str(pictures / "a.png"), str(pictures / "sub" / "b.png"), str(tmp_path / "two")]
    assert main(["compress", *one, *own]) == 0
    told = capsys.readouterr().out.splitlines()
    size = (tmp_path / "two" / "a.rdb").stat().st_size
    pixels = original[..., 0].size
    assert told[0] == (
        f"{tmp_path}/two/a.rdb: {size} bytes, {8 * size / pixels:.4f} bits per "
        f"pixel, {expected:.2f} dB"
    )
    assert main(["compress", *one, *own, "--force", "--no-check"]) == 0
    assert "dB" not in capsys.readouterr().out
    twice = [pictures / "a.png", pictures / "a.png", tmp_path / "three"]
    assert "would both be" in _fails(capsys, "compress", *twice, *own)
    text = _fails(capsys, "compress", pictures / "a.png", pictures / "sub", "-", *own)
    assert "several files need a folder" in text


def test_a_dash_is_standard_input_and_output(folder, tmp_path, capfdbinary, monkeypatch):
    own = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"]]
    picture, stream = folder / "pictures" / "2.png", tmp_path / "a.rdb"
    assert main(["compress", str(picture), str(stream), *own]) == 0
    capfdbinary.readouterr()

    def feed(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    feed(picture.read_bytes())
    assert main(["compress", "-", "-", *own]) == 0
    found = capfdbinary.readouterr()
    assert found.out == stream.read_bytes()
    assert b"bits per pixel" in found.err
    feed(found.out)
    assert main(["decompress", "-", "-", *own]) == 0
    assert main(["decompress", str(stream), str(tmp_path / "a.png"), *own]) == 0
    decoded = Image.open(io.BytesIO(capfdbinary.readouterr().out))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(Image.open(tmp_path / "a.png")))
    feed(b"no image")
    assert main(["compress", "-", "-", *own]) == 2
    assert b"error: -: not a PNG" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("form", "coder", "code"), [("codec", "dithered", 1), ("bound", "layered", 2)]
)
def test_a_stream_names_its_coder_and_its_seed(folder, tmp_path, form, coder, code):
    picture, stream = folder / "pictures" / "2.png", tmp_path / "a.rdb"
    checkpoint = ["--checkpoint", str(folder / form), "--model", MODEL["name"]]
    of = ["--coder", coder, "--coder-option", "seed=77"]
    assert main(["compress", str(picture), str(stream), *checkpoint, *of]) == 0
    data = stream.read_bytes()
    assert data[3] == 2
    assert data[24] == code
    assert b'{"seed": 77}' in data
    assert main(["decompress", str(stream), str(tmp_path / "a.png"), *checkpoint]) == 0
    assert Image.open(tmp_path / "a.png").size == Image.open(picture).size


@pytest.mark.parametrize("size", [0, 3001])
def test_side_information_rides_along_and_comes_back(folder, tmp_path, size, rng, capsys):
    picture, stream, side = folder / "pictures" / "2.png", tmp_path / "a.rdb", tmp_path / "side"
    back, image = tmp_path / "back", tmp_path / "a.png"
    side.write_bytes(rng.bytes(size))
    checkpoint = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"]]
    of = ["--coder", "bits-back", "--coder-option", "steps=3", "--side", str(side)]
    assert main(["compress", str(picture), str(stream), *checkpoint, *of]) == 0
    net = 8 * (stream.stat().st_size - size) / np.prod(Image.open(picture).size)
    assert f"with {size} of side information: {net:.4f} bits per pixel" in capsys.readouterr().out
    if size:
        text = _fails(capsys, "decompress", stream, image, *checkpoint)
        assert f"carries {size} bytes of side information; give --side-out a file" in text
        assert not image.exists()
    out = ["--side-out", str(back)]
    assert main(["decompress", str(stream), str(image), *checkpoint, *out]) == 0
    assert back.read_bytes() == side.read_bytes()
    assert Image.open(image).size == Image.open(picture).size
    text = _fails(capsys, "decompress", stream, tmp_path / "b.png", *checkpoint, *out)
    assert "back exists already" in text
    for name, message in (
        (resolve(str(folder / "codec")), "would replace"),
        (tmp_path / "b.png", "a file each"),
    ):
        text = _fails(
            capsys,
            "decompress",
            stream,
            tmp_path / "b.png",
            *checkpoint,
            "--force",
            "--side-out",
            name,
        )
        assert message in text


@pytest.mark.parametrize("coder", [[], ["--coder", "rec"]])
def test_a_lossless_checkpoint_gives_the_picture_back(folder, tmp_path, coder, capsys):
    picture, stream, image = folder / "pictures" / "2.png", tmp_path / "a.rdb", tmp_path / "a.png"
    file = save_checkpoint(tmp_path / "m.safetensors", LosslessToy(), LOSSLESS_SPEC)
    checkpoint = ["--checkpoint", str(file), "--model", LOSSLESS_SPEC["name"]]
    assert main(["compress", str(picture), str(stream), *checkpoint, *coder]) == 0
    rate = 8 * stream.stat().st_size / np.prod(Image.open(picture).size)
    assert f"{rate:.4f} bits per pixel" in capsys.readouterr().out
    assert main(["decompress", str(stream), str(image), *checkpoint]) == 0
    np.testing.assert_array_equal(Image.open(image), Image.open(picture))


def test_a_lossless_checkpoint_is_not_evaluated_for_its_distortion(folder, tmp_path, capsys):
    file = save_checkpoint(tmp_path / "m.safetensors", LosslessToy(), LOSSLESS_SPEC)
    config = _evaluation(
        folder,
        tmp_path / "run",
        checkpoints=[str(file)],
        lmbdas=[1.0],
        outside=[LOSSLESS_SPEC["name"]],
    )
    assert "a lossless model has no distortion" in _fails(capsys, "evaluate", config)


def test_mistakes_about_side_information_are_told(folder, tmp_path, capsys):
    picture, stream = folder / "pictures" / "2.png", tmp_path / "a.rdb"
    checkpoint = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"]]
    text = _fails(capsys, "compress", picture, stream, *checkpoint, "--side", picture)
    assert "only the coder 'bits-back' takes side information along" in text
    assert main(["compress", str(picture), str(stream), *checkpoint]) == 0
    text = _fails(
        capsys, "decompress", stream, tmp_path / "a.png", *checkpoint, "--side-out", tmp_path / "x"
    )
    assert "carries no side information; leave --side-out away" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--coder", "bits-back", "--coder-option", "steps=-1"],
            "coder 'bits-back': steps: Input should be greater than or equal to 0",
        ),
        (
            ["--coder", "huffman"],
            "unknown coder 'huffman': choose one of rounding, dithered, layered",
        ),
        (["--coder", "layered"], "serves no checkpoint of form 'codec'"),
        (["--coder-option", "seed=1"], "coder 'rounding': "),
        (
            ["--coder", "dithered", "--coder-option", "seed=-1"],
            "coder 'dithered': seed: Input should be greater than or equal to 0",
        ),
        (["--coder", "dithered", "--coder-option", "seed"], "expected key=value"),
    ],
)
def test_mistakes_about_coders_are_told(folder, tmp_path, capsys, options, message):
    text = _fails(
        capsys,
        "compress",
        folder / "pictures" / "2.png",
        tmp_path / "a.rdb",
        "--checkpoint",
        folder / "codec",
        "--model",
        MODEL["name"],
        *options,
    )
    assert message in text
    assert not (tmp_path / "a.rdb").exists()


@pytest.mark.parametrize("name", ["x.png", "../mine/x.png", "link.png", "hard.png"])
def test_what_is_read_is_not_overwritten_by_any_name(folder, tmp_path, capsys, monkeypatch, name):
    """Not by --force, not by a link, not by another spelling."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    source = Path("x.png")
    source.write_bytes((folder / "pictures" / "2.png").read_bytes())
    Path("link.png").symlink_to("x.png")
    Path("hard.png").hardlink_to("x.png")
    before = source.read_bytes()
    options = ["--force", "--checkpoint", folder / "codec", "--model", MODEL["name"]]
    for command in ("compress", "decompress"):
        assert "would replace x.png, which is read" in _fails(
            capsys, command, source, name, *options
        )
    assert Path(name).read_bytes() == source.read_bytes() == before


def test_the_checkpoint_is_not_overwritten_either(folder, tmp_path, capsys):
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes((folder / "codec" / "model.safetensors").read_bytes())
    before, picture = mine.read_bytes(), folder / "pictures" / "2.png"
    assert "which is read" in _fails(
        capsys, "compress", picture, mine, "--force", "--checkpoint", mine, "--model", MODEL["name"]
    )
    assert mine.read_bytes() == before


def test_other_files_beside_the_output_are_left_alone(folder, tmp_path):
    options = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"]]
    (tmp_path / "a.rdb.part").write_text("mine")
    source = str(folder / "pictures" / "2.png")
    assert main(["compress", source, str(tmp_path / "a.rdb"), *options]) == 0
    assert (tmp_path / "a.rdb.part").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.rdb", "a.rdb.part"]


def test_a_file_alone_does_not_choose_the_class_of_its_model(folder, tmp_path, capsys):
    """Neither a checkpoint nor a run folder."""
    picture, stream = folder / "pictures" / "2.png", tmp_path / "a.rdb"
    for options in ([], ["--model", "tests.toy:Other"]):
        text = _fails(
            capsys, "compress", picture, stream, "--checkpoint", folder / "codec", *options
        )
        assert f"its model is '{MODEL['name']}', from outside the package" in text
        assert f"--model {MODEL['name']} on the command line" in text
    text = _fails(capsys, "evaluate", _evaluation(folder, tmp_path / "x", outside=[]))
    assert "evaluation.outside=['tests.toy:Toy'] in a config" in text
    target = tmp_path / "m.safetensors"
    assert "name it yourself" in _fails(capsys, "export", folder / "codec", target)
    assert not stream.exists()
    assert not target.exists()
    assert main(["export", str(folder / "codec"), str(target), "--model", MODEL["name"]]) == 0


def test_a_model_of_vectors_codes_no_image(folder, tmp_path, capsys):
    spec = {"name": "mlp", "form": "codec", "lmbda": 1.0, "dimension": 3}
    path = save_checkpoint(tmp_path / "mlp.safetensors", make_model(**spec), spec)
    text = _fails(
        capsys, "compress", folder / "pictures" / "2.png", tmp_path / "a.rdb", "--checkpoint", path
    )
    assert "mlp.safetensors: a model of vectors" in text


def test_a_limit_on_pixels_holds_both_ways(folder, tmp_path, capsys):
    picture, stream = folder / "pictures" / "2.png", tmp_path / "a.rdb"  # 31 × 17
    options = ["--checkpoint", str(folder / "codec"), "--model", MODEL["name"], "--max-pixels"]
    text = _fails(capsys, "compress", picture, stream, *options, "526")
    assert "2.png: 31×17 is more than the limit of 526 pixels" in text
    text = _fails(capsys, "compress", picture, stream, *options, "527")
    assert "31×17 is 768 pixels with its padding, more than the limit of 527" in text
    assert main(["compress", str(picture), str(stream), *options, "768"]) == 0
    text = _fails(capsys, "decompress", stream, tmp_path / "a.png", *options, "767")
    assert "a.rdb: not a stream to decode: 31×17 is 768 pixels" in text
    assert main(["decompress", str(stream), str(tmp_path / "a.png"), *options, "768"]) == 0


def test_a_model_is_checked_before_anybody_trains_it(tmp_path, capsys):
    options = ["--lmbda", "0.01", "--form", "codec"]
    assert main(["check-model", "tests.toy:Toy", *options, "--option", "seed=3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tests.toy:Toy, codec, through the channel mixed"
    assert lines[1] == "weights: 8 of 6,580 numbers, all nnx.Param, finite"
    assert lines[-1].startswith("bytes: ")
    text = _fails(capsys, "check-model", "tests.checkpoints.test_model_check:Stored", *options)
    assert "holds noise.default.count" in text
    assert len(text.splitlines()) == 1
    assert "expected key=value" in _fails(capsys, "check-model", "mlp", "--option", "dimension")
    assert "wide: unknown key" in _fails(
        capsys, "check-model", "mlp", "--option", "dimension=2", "--option", "wide=1"
    )
    text = _fails(
        capsys,
        "check-model",
        "tests.checkpoints.test_checkpoint:Raising",
        "--option",
        "failure=type",
    )
    assert "Raising': TypeError: object of type 'int' has no len()" in text


def test_a_model_that_cannot_be_saved_is_told_before_the_first_step(folder, tmp_path, capsys):
    output = tmp_path / "x"
    text = _fails(
        capsys,
        "train",
        folder / "codec.yaml",
        f"output={output}",
        "model.start_from=null",
        "model.name=tests.checkpoints.test_model_check:Stored",
    )
    assert "a checkpoint keeps weights only" in text
    assert not output.exists()


def test_mistakes_about_files(folder, tmp_path, capsys):
    (tmp_path / "text.png").write_text("hello")
    text = _fails(capsys, "compress", tmp_path / "text.png", tmp_path / "a.rdb")
    assert "text.png: not a PNG, JPEG, WebP or TIFF image" in text
    assert "no checkpoint nowhere" in _fails(
        capsys,
        "compress",
        folder / "pictures" / "0.png",
        tmp_path / "a.rdb",
        "--checkpoint",
        "nowhere",
    )
    assert "No such file" in _fails(capsys, "decompress", tmp_path / "no.rdb", tmp_path / "a.png")
    assert "no such config" in _fails(capsys, "train", tmp_path / "no.yaml")
    assert "needs the sections" in _fails(capsys, "train", _evaluation(folder, tmp_path / "x"))


def test_a_folder_of_another_run_is_not_touched(folder, tmp_path, capsys):
    before = (folder / "bound" / "model.safetensors").read_bytes()
    text = _fails(capsys, "train", folder / "bound.yaml", "training.options.steps=61")
    assert "another configuration" in text
    assert (folder / "bound" / "model.safetensors").read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    text = _fails(capsys, "train", folder / "bound.yaml", f"output={tmp_path / 'mine'}")
    assert "not a run of rdbound" in text


def test_a_run_goes_on_only_with_the_data_it_was_begun_with(folder, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    for i in range(2):
        Image.fromarray(np.full((16, 16, 3), 80 * i, np.uint8)).save(tmp_path / "data" / f"{i}.png")
    changes = [f"output={tmp_path / 'run'}", f"training.data.path={tmp_path / 'data'}"]
    changes.append("training.options.steps=5")
    assert main(["train", str(folder / "bound.yaml"), *changes]) == 0
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "data" / "9.png")
    text = _fails(capsys, "train", folder / "bound.yaml", *changes)
    assert "begun with other contents of training.data" in text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.data.crop=20", "not a multiple of the model's stride 8"),
        ("training.channel={name: sga, options: {decy: 1}}", "channel 'sga'"),
        ("model.name=tests.toy:Tod", "cannot be imported"),
        ("model.start_from=nowhere", "no checkpoint nowhere"),
        (
            "model={name: mlp, form: bound, lmbda: 1.0, options: {dimension: 7}}",
            "its infer of [16, 16, 3] raised Type",
        ),
    ],
)
def test_a_wrong_config_leaves_no_folder(folder, tmp_path, capsys, override, message):
    text = _fails(capsys, "train", folder / "bound.yaml", f"output={tmp_path / 'x'}", override)
    assert message in text
    assert not (tmp_path / "x").exists()


def test_what_would_fail_hours_later_fails_at_once(folder, tmp_path, capsys):
    for extra, message in (
        ({"lmbdas": [0.01, 0.9]}, "outside the model's range"),
        ({"lmbdas": [0.01, 0.01]}, "holds a value twice"),
        ({"checkpoints": [str(folder / "codec")] * 2}, "two checkpoints have the same name"),
        (
            {"refinement": {"steps": 40, "surrogates": {"sga": {"start": 40}}}},
            "start: Input should be less than",
        ),
        ({"methods": ["codec-idael"]}, "unknown method 'codec-idael'"),
        ({"refinement": {"steps": 40, "surrogates": {"sag": {}}}}, "sag"),
    ):
        text = _fails(capsys, "evaluate", _evaluation(folder, tmp_path / "x", **extra))
        assert message in text
        assert not (tmp_path / "x").exists()


def test_a_loss_that_stops_being_finite_leaves_weights_to_go_on_from(folder, tmp_path, capsys):
    output, ruin = (
        tmp_path / "ruined",
        "training.options={steps: 50, learning_rate: 1e30, clip: 1e30}",
    )
    text = _fails(capsys, "train", folder / "bound.yaml", f"output={output}", ruin)
    assert "stopped being finite at step" in text
    kept = output / "last_good.safetensors"
    again = [f"output={tmp_path / 'again'}", f"model.start_from={kept}", "training.options.steps=2"]
    assert main(["train", str(folder / "bound.yaml"), *again]) == 0


def test_a_sweep_skips_what_is_finished(folder, tmp_path, capsys):
    sweep = ["training.options.steps=5", f"output={tmp_path / 'sweep'}", "sweep={seed: [0, 1]}"]
    assert main(["train", str(folder / "bound.yaml"), *sweep]) == 0
    assert capsys.readouterr().out.count("wrote") == 2
    assert main(["train", str(folder / "bound.yaml"), *sweep]) == 0
    assert capsys.readouterr().out.count("nothing to do") == 2


def test_negative_gaps_are_warned_of_and_the_rest_stays_quiet(tmp_path, capsys):
    rows = make_rows()
    worse = [
        dataclasses.replace(r, bpp=r.bpp + 1, J=r.J + 1) if r.model == "b" else r for r in rows
    ]
    for name, some, warned in (("good", rows, ""), ("worse", worse, "digitization")):
        write_table(tmp_path / f"{name}.csv", some)
        table, folder = tmp_path / f"{name}.csv", tmp_path / name
        assert main(["gaps", str(table), "--output", str(folder)]) == 0
        printed = capsys.readouterr()
        lines = printed.err.splitlines()
        assert [line[:40] for line in lines] == [
            f"rdbound: warning: {warned} is negative"[:40]
        ] * bool(warned)
        assert ("**Negative:** digitization" in printed.out) == bool(warned)
        assert ("this bound is itself the best one known" in printed.out) != bool(warned)


def test_bd_rate_of_tables_and_plain_curves(tmp_path, capsys):
    from rdbound import reference

    points = reference.find_curve("kodak", "resnet-vae").points
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "bpp", "psnr"))
        writer.writerows((p.image, p.bpp, p.psnr) for p in points)
    assert main(["bd-rate", str(tmp_path / "mine.csv")]) == 0
    out = capsys.readouterr().out
    assert "-16.93 %" in out
    assert "vtm-22.0 (10-bit input)" in out
    write_table(tmp_path / "rd.csv", make_rows())
    assert "holds no row of the data set 'kodak'" in _fails(capsys, "bd-rate", tmp_path / "rd.csv")
    (tmp_path / "odd.csv").write_text("rate,quality\n1,2\n")
    assert "lacks the column bpp" in _fails(capsys, "bd-rate", tmp_path / "odd.csv")
    assert "no reference 'vtm-99'" in _fails(
        capsys, "bd-rate", tmp_path / "mine.csv", "--anchor", "vtm-99"
    )


def test_bd_rate_of_one_codec_against_another(tmp_path, capsys):
    """Any of them a table's method, a curve or a published name; rates of known ratios."""
    rows = [dataclasses.replace(r, dataset="kodak") for r in make_rows()]
    write_table(tmp_path / "rd.csv", rows)
    more = [dataclasses.replace(r, bits=1.5 * r.bits, bpp=1.5 * r.bpp) for r in rows]
    write_table(tmp_path / "more.csv", more)
    of = [f"{tmp_path / name}.csv:codec-coded" for name in ("more", "rd")]
    plot = tmp_path / "plot.svg"
    text = _fails(capsys, "bd-rate", of[0], "resnet-vae", "--anchor", of[1], "--plot", plot)
    assert "no image in common" in text
    assert not plot.exists()
    assert main(["bd-rate", *of, "--anchor", of[1], "--plot", str(plot)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "codec-coded, kodak: +50.00 %" in told[0]
    assert "codec-coded, kodak: +0.00 %" in told[1]
    assert told[2] == str(plot)
    assert plot.read_text().count("c codec-coded") == 3
    text = _fails(capsys, "bd-rate", of[0], "--anchor", of[1], "--plot", plot)
    assert "exists already; give another name or --force" in text
    whole = str(tmp_path / "rd.csv")
    assert "one curve is the anchor" in _fails(capsys, "bd-rate", of[0], "--anchor", whole)
    text = _fails(capsys, "bd-rate", of[0], "--anchor", f"{whole}:mine")
    assert "holds no method 'mine': choose one of" in text


def test_bd_rate_by_ms_ssim(tmp_path, capsys):
    from rdbound import reference

    points = reference.find_curve("kodak", "vtm-22.0").points
    mine = tmp_path / "mine.csv"
    lines = [f"{p.image},{0.8 * p.bpp},{p.ms_ssim}" for p in points]
    mine.write_text("\n".join(["image,bpp,ms_ssim", *lines]))
    assert main(["bd-rate", str(mine), "--metric", "ms-ssim"]) == 0
    assert "kodak by MS-SSIM: -20.00 % [-20.00, -20.00]" in capsys.readouterr().out
    mine.write_text("bpp,ms_ssim\n0.2,38.0\n")
    text = _fails(capsys, "bd-rate", mine, "--metric", "ms-ssim")
    assert "line 2: ms_ssim = '38.0': Input should be less than or equal to 1" in text
    rows = [dataclasses.replace(r, dataset="kodak", ms_ssim=None) for r in make_rows()]
    write_table(tmp_path / "rd.csv", rows)
    assert "has no MS-SSIM" in _fails(capsys, "bd-rate", tmp_path / "rd.csv", "--metric", "ms-ssim")
    text = _fails(capsys, "bd-rate", "jpeg", "--anchor", "hpcm-base", "--metric", "ms-ssim")
    assert "hpcm-base: no MS-SSIM is published on kodak" in text


def test_bd_rate_of_means_needs_to_know_over_how_many_images(tmp_path, capsys):
    from rdbound import reference

    points = reference.curves()["kodak", "resnet-vae", False].points
    mine = tmp_path / "mine.csv"
    mine.write_text("bpp,psnr\n" + "".join(f"{p.bpp},{p.psnr}\n" for p in points))
    text = _fails(capsys, "bd-rate", mine)
    assert "mine averages an unknown number of images, vtm-22.0 (10-bit input) 24 images" in text
    assert "averages 3 images" in _fails(capsys, "bd-rate", mine, "--images", "3")
    assert main(["bd-rate", str(mine), "--images", "24"]) == 0
    told = capsys.readouterr().out
    assert "% (of means: 24 images against 24 images), pchip" in told
    assert main(["bd-rate", str(mine), "--images", "3", "--unequal-means"]) == 0
    assert capsys.readouterr().out == told.replace(": 24 images against", ": 3 images against")
    assert "'--images'" in _fails(capsys, "bd-rate", mine, "--images", "0")


def _listed(capsys, kind):
    """Names and descriptions."""
    assert main(["list", kind]) == 0
    lines = [line.partition(" ") for line in capsys.readouterr().out.splitlines()]
    return {name: text.strip() for name, _, text in lines}


@pytest.mark.parametrize(
    ("kind", "registry"),
    [("models", MODELS), ("channels", CHANNELS), ("coders", CODERS), ("sources", SOURCES)],
)
def test_a_list_has_the_names_of_the_registry(kind, registry, capsys):
    assert list(_listed(capsys, kind)) == list(registry)


def test_lists_describe_what_they_name(capsys):
    assert _listed(capsys, "channels")["sampled"].startswith("sample ~ q, bits = log₂ q(sample)")
    assert "Two levels: z (stride 64" in _listed(capsys, "models")["res-hyper-4"]
    assert "range coder" in _listed(capsys, "coders")["rounding"]
    assert "Hamming distortion" in _listed(capsys, "sources")["bernoulli"]
    assert _listed(capsys, "methods")["codec-coded"].endswith("channel rounding, coder rounding")
    assert main(["list", "references"]) == 0
    assert "vtm-22.0 (10-bit input)" in capsys.readouterr().out
    assert "7.3 MB  card: " in _listed(capsys, "checkpoints")["res-context-4-codec"]


LIGHT = """
import sys
from rdbound.cli.main import main
kinds = ("checkpoints", "models", "configs", "references", "methods", "coders", "channels")
for argv in (["--version"], ["--help"], ["train", "--help"], *(["list", k] for k in kinds)):
    assert main(argv) == 0, argv
    heavy = {"jax", "flax", "scipy", "matplotlib", "orbax"} & set(sys.modules)
    assert not heavy, (argv, heavy)
"""


def test_help_version_and_lists_import_no_jax():
    run = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "res-hyper-4" in run.stdout


def test_the_cost_of_a_model(capsys):
    """The card of the shipped checkpoint has the same parameters and MAC of the encoder."""
    assert main(["cost", "res-context-4"]) == 0
    name, parameters, encoder, _ = capsys.readouterr().out.splitlines()[1].split()
    assert (name, parameters) == ("res-context-4", "10,532,008")
    assert round(float(encoder)) == 31
    assert "unknown model 'res-hyper-99'" in _fails(capsys, "cost", "res-hyper-99")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["quikstart"], "No such command 'quikstart'. Did you mean 'quickstart'?"),
        (["compress", "a"], "Missing argument 'INPUT'"),
        (["train"], "Missing argument 'CONFIG'. (see rdbound train --help)"),
        (["list", "colours"], "'colours' is not one of 'checkpoints', 'models'"),
        (["verify", "--no-such"], "No such option: --no-such"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_one_line(argv, message, capsys):
    text = _fails(capsys, *argv)
    assert message in text
    assert len(text.splitlines()) == 1


def test_code_points_are_calibrated_and_serve_every_penalty(folder, tmp_path, capsys):
    """One file of weights, a rate by the penalty; the weights are the bound's own."""
    picture, target = folder / "pictures" / "2.png", tmp_path / "v.safetensors"
    bound, model = str(folder / "bound"), ["--model", MODEL["name"]]
    of = ["calibrate", bound, str(folder / "pictures")]
    assert main([*of, str(target), "--count", "2", "--lmbda", "0.01", *model]) == 0
    assert "counted on 2 photographs" in capsys.readouterr().out
    before, after = (read_contents(resolve(path)) for path in (bound, target))
    for name, weight in before.weights.items():
        np.testing.assert_array_equal(after.weights[name], weight)
    sizes = []
    for penalty in ("0.05", "5"):
        stream, back = tmp_path / f"{penalty}.rdb", tmp_path / f"{penalty}.png"
        files = ["--checkpoint", str(target), *model]
        by = ["--coder", "vbq", "--penalty", penalty]
        assert main(["compress", str(picture), str(stream), *files, *by]) == 0
        assert main(["decompress", str(stream), str(back), *files]) == 0
        assert Image.open(back).size == Image.open(picture).size
        sizes.append(stream.stat().st_size)
    assert sizes[1] < sizes[0]
    assert "exists already" in _fails(capsys, *of, target, *model)
    assert "would replace" in _fails(capsys, *of, Path(bound) / "model.safetensors", *model)
    codec = str(folder / "codec")
    text = _fails(capsys, "calibrate", codec, folder / "pictures", tmp_path / "w", *model)
    assert "code points serve a bound of images" in text
    text = _fails(
        capsys,
        "compress",
        picture,
        tmp_path / "c.rdb",
        "--checkpoint",
        bound,
        *model,
        "--coder",
        "vbq",
    )
    assert "rdbound calibrate CHECKPOINT IMAGES OUTPUT" in text
    text = _fails(
        capsys,
        "compress",
        picture,
        tmp_path / "c.rdb",
        "--checkpoint",
        bound,
        *model,
        "--penalty",
        "1",
    )
    assert "penalty" in text


def test_code_points_are_a_rung_of_an_evaluation(folder, tmp_path):
    target = tmp_path / "v.safetensors"
    of = ["calibrate", str(folder / "bound"), str(folder / "pictures"), str(target)]
    assert main([*of, "--model", MODEL["name"]]) == 0
    run = _evaluation(
        folder,
        tmp_path / "run",
        checkpoints=[str(target)],
        methods=["bound", "bound-vbq-ideal", "bound-vbq-coded"],
    )
    assert main(["evaluate", str(run)]) == 0
    rows = {(row.image, row.lmbda, row.method): row for row in read_table(tmp_path / "run/rd.csv")}
    found = [row for key, row in rows.items() if key[2] == "bound-vbq-ideal"]
    pairs = [(row, rows[row.image, row.lmbda, "bound-vbq-coded"]) for row in found]
    assert pairs
    for ideal, coded in pairs:
        assert coded.mse == pytest.approx(ideal.mse, rel=1e-3)
        assert 0 < coded.bits - ideal.bits < 0.02 * ideal.bits + 8 * 60


def test_channels_of_a_bound(folder, tmp_path, capsys):
    of = ["channels", str(folder / "bound"), str(folder / "pictures"), "--model", MODEL["name"]]
    assert main([*of, "--output", str(tmp_path / "c")]) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "c" / "report.md").read_text()
    assert "# Channels of bound at λ = 0.01, 3 images of" in text
    for name in ("channels.csv", "channels.png", "densities.pdf"):
        assert (tmp_path / "c" / name).stat().st_size > 500
    assert "report.md exists already" in _fails(capsys, *of, "--output", tmp_path / "c")
    of[1] = str(folder / "codec")
    assert "of form 'bound'" in _fails(capsys, *of, "--output", tmp_path / "d")


def test_shipped_configs_are_listed_and_copied(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    listed = _listed(capsys, "configs")
    assert listed["kodak"].startswith("the shipped bound and codec on the 24 Kodak")
    assert "known_answers/finite" in listed
    assert len(listed) == len(list((ROOT / "configs").rglob("*.yaml")))
    assert main(["config", "kodak"]) == 0
    assert (tmp_path / "kodak.yaml").read_bytes() == (ROOT / "configs/kodak.yaml").read_bytes()
    text = _fails(capsys, "config", "kodak")
    assert "kodak.yaml exists already; give another name\n" in text, "it has no --force"
    assert "choose one of" in _fails(capsys, "config", "nothing")
