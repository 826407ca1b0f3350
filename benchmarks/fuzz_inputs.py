"""Hostile inputs for `fuzz.py`: sound files of each format, and five ways to spoil them, all from a seed.

cut      shortened, or lengthened by zeros
flipped  some bits changed
lying    numbers of the header, of the text or of the notes replaced by others
bomb     small, and far larger when it is read
name     as it was, under a name that nobody expects
"""

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from astropy.io import fits
from PIL import Image

SUFFIXES = {
    "jpeg": ".jpg",
    "png": ".png",
    "tiff": ".tif",
    "fits": ".fits",
    "hdf5": ".h5",
    "npy": ".npy",
    "labels": ".npy",
    "npz": ".npz",
    "csv": ".csv",
    "prior": ".csv",
    "history": ".csv",
    "parquet": ".parquet",
    "onnx": ".onnx",
    "manifest": ".json",
    "summary": ".json",
    "config": ".json",
    "pt": ".pt",
    "safetensors": ".safetensors",
}
KINDS = "cut", "flipped", "lying", "bomb", "name"
LEAST, SIDE = 10, 36  # images in a set; pixels a side
WORDS = 0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1
HOSTILE = (
    None,
    True,
    False,
    0,
    -1,
    1,
    10**9,
    10**30,
    -(10**30),
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "0",
    "x" * 5000,
    "\x1b[2J\n",
    "\ud800",
    "$\\frac$",
    "../../etc",
    "=1+1",
    [],
    [[]],
    [1, "a"],
    {},
    {"a": {}},
    ["a", "a"],
    [None],
)
NAMES = (
    "=HYPERLINK(1)",
    "a\x1b[2Jb",
    "a\nb",
    "a\tb",
    "-rf",
    "--help",
    "$\\frac$",
    "<img src=x onerror=alert(1)>",
    "a\u202eb",
    "a\udcffb",
    "💥" * 40,
    "x" * 200,
    " ",
    "%s%n",
    "a;b",
    "a'\"b",
    "{0}",
    "nan",
    "CON",
    "a*b",
    "a[b]",
    "[",
    "?",
    "~",
    "#",
)


def save(write, *words, **options):
    """The bytes that a function writes to a file."""
    file = io.BytesIO()
    write(file, *words, **options)
    return file.getvalue()


def galaxies(rng, count=LEAST):
    """Round blobs on noise, (N,H,H,3) uint8."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    blob = 200 * np.exp(-(rows**2 + columns**2) / 30)[None, ..., None]
    return np.clip(blob + rng.normal(20, 4, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def hdf5(images, **options):
    """The published layout."""

    def write(file):
        with h5py.File(file, "w") as target:
            target.create_dataset("images", data=images, **options)
            target["ans"] = np.arange(len(images), dtype=np.uint8) // 5
            target["ra"], target["dec"] = np.arange(len(images), dtype=float), np.zeros(len(images))

    return save(write)


def tables():
    """A table that import, prediction, search and prior can all read."""
    rows = [
        dict(
            path=f"{row}.png",
            label="ab"[row // 5],
            ra=float(row),
            dec=-1.5,
            id=str(587722984180548043 + row),
            **{"class": "ab"[row // 5]},
            probability=0.5 + row / 100,
            novelty=0.5 + row / 10,
            flags="",
            count=row + 1,
        )
        for row in range(LEAST)
    ]
    return pd.DataFrame(rows)


def sound_files(rng, checkpoint, model, store):
    """Format → bytes of sound files, of some variants each."""
    images, image = galaxies(rng), Image.fromarray(galaxies(rng, 1)[0])
    flux = np.abs(rng.normal(0.1, 0.02, (3, SIDE, SIDE))).astype(np.float32)
    tensors = checkpoint | dict(state={name: tensor.contiguous() for name, tensor in checkpoint["state"].items()})
    notes = {name: json.dumps(value) for name, value in tensors.items() if name != "state"}
    config = json.dumps(dict(epochs=3, size=17, widths=[1, 1, 2, 2, 2])).encode()
    summary = dict(
        epochs=3,
        best_epoch=2,
        valid_accuracy=0.5,
        valid_macro_f1=0.4,
        temperature=1.1,
        commit="a",
        skipped_steps=0,
        mlflow_run=None,
        delivered=True,
        hardware="CPU",
        data="a",
    )
    scaled = fits.PrimaryHDU((1000 * flux).astype(np.uint16))
    packed = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(flux)])
    arrays = dict(images=images, labels=np.arange(LEAST) // 5)
    curves = {
        f"{part}_{name}": [0.1, 0.5, 0.4] for part in ("train", "valid") for name in ("loss", "accuracy", "macro_f1")
    }
    curves |= dict(learning_rate=[0.1] * 3, gradient_norm=[1.0] * 3, seconds=[1.0] * 3)
    exif = Image.Exif()
    exif[270] = "a galaxy"
    return dict(
        jpeg=[save(image.save, "JPEG", quality=90), save(image.save, "JPEG", progressive=True, exif=exif)],
        png=[save(image.save, "PNG"), save(image.convert("P").save, "PNG", transparency=0)],
        tiff=[
            save(image.save, "TIFF"),
            save(image.save, "TIFF", compression="tiff_lzw"),
            save(image.save, "TIFF", compression="tiff_deflate"),
        ],
        fits=[save(fits.PrimaryHDU(flux).writeto), save(scaled.writeto), save(packed.writeto)],
        hdf5=[hdf5(images), hdf5(images, chunks=(4, SIDE, SIDE, 3), compression="gzip")],
        npy=[save(np.save, images)],
        labels=[save(np.save, np.arange(LEAST) // 5)],
        npz=[save(np.savez, **arrays), save(np.savez_compressed, **arrays)],
        csv=[tables().to_csv(index=False).encode()],
        prior=[b"class,count\na,3\nb,5\n"],
        history=[pd.DataFrame(dict(epoch=[0, 1, 2], time=[1, 2, 3], **curves)).to_csv(index=False).encode()],
        parquet=[save(tables().to_parquet), save(tables().to_parquet, compression=None)],
        onnx=[model],
        manifest=[(store / "manifest.json").read_bytes()],
        summary=[json.dumps(summary).encode()],
        config=[config],
        pt=[save(lambda file: torch.save(tensors, file))],
        safetensors=[safetensors.torch.save(tensors["state"], notes)],
    )


def cut(content, choice):
    """Shortened anywhere, or by little, or longer."""
    kind = choice.randrange(4)
    if kind == 0:
        return content + bytes(choice.randrange(1, 5000))
    if kind == 1:
        return content[: max(0, len(content) - choice.randrange(1, 64))]
    return content[: choice.randrange(len(content))]


def flipped(content, choice):
    """Some bits changed, half of the time near the beginning."""
    content = bytearray(content)
    for _ in range(choice.choice((1, 1, 3, 20, 200))):
        at = choice.randrange(min(len(content), 400) if choice.random() < 0.5 else len(content))
        content[at] ^= 1 << choice.randrange(8)
    return bytes(content)


def replaced(content, choice):
    """A binary file with some words of its header replaced by those that overflow."""
    content, end = bytearray(content), min(len(content), choice.choice((40, 400, 4000)))
    for _ in range(choice.choice((1, 1, 2, 4))):
        form, at = choice.choice(("B", "<H", ">H", "<I", ">I")), choice.randrange(end)
        size = struct.calcsize(form)
        content[at : at + size] = struct.pack(form, choice.choice(WORDS) % 256**size)
    return bytes(content)


def spoilt(value, choice, depth=0):
    """A tree of dictionaries and lists with one thing in it replaced, removed or added."""
    if isinstance(value, (dict, list)) and value and choice.random() < (1 if not depth else 0.6):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key, made = choice.choice(keys), value.copy()
        if isinstance(value, dict) and choice.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        made[key] = spoilt(value[key], choice, depth + 1)
        return made
    return choice.choice(HOSTILE)


def lying_text(content, choice):
    """CSV or FITS: a number or a word of it replaced, of the same length where it is FITS."""
    is_fits, cells = content.startswith(b"SIMPLE"), content
    if is_fits:
        card = 80 * choice.randrange(36)
        value = str(choice.choice((-1, 0, 1, 999, 10**9, 10**15, "T", "'x'", "NaN", 1e300, ""))).rjust(20)[:20]
        return cells[: card + 10] + value.encode() + cells[card + 30 :]
    lines = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(choice.choice((1, 1, 3, 40))):
        row = choice.choice(lines)
        row[choice.randrange(len(row))] = str(
            choice.choice((*HOSTILE, *NAMES, "/dev/zero", "/proc/self/mem", '"', "\0"))
        )
    return "\n".join(map(",".join, lines)).encode("utf-8", "surrogatepass")


def lying_json(content, choice):
    """JSON with something replaced."""
    return json.dumps(spoilt(json.loads(content), choice)).encode()


def lying_model(content, choice):
    """A network of ours with a true digest, whose notes or tensors are spoilt."""
    from galaxy_classifier.model.onnx_file import _model_digest

    model = onnx.load_from_string(content)
    notes = {note.key: json.loads(note.value) for note in model.metadata_props if note.key != "digest"}
    if choice.random() < 0.75:
        notes = spoilt(notes, choice)
    else:
        tensor = choice.choice(model.graph.initializer)
        if choice.random() < 0.5:
            tensor.dims[:] = [choice.choice((0, 1, 2**31, 2**62)) for _ in tensor.dims]
        else:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="/etc/hostname")
    texts = {key: json.dumps(value) for key, value in notes.items()} if isinstance(notes, dict) else {}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, texts)
    onnx.helper.set_model_props(model, texts | dict(digest=_model_digest(model)))
    return model.SerializeToString()


def lying_checkpoint(content, choice):
    """A checkpoint with configuration, classes, notes or tensors spoilt."""
    is_zip = content.startswith(b"PK")
    if is_zip:
        held = torch.load(io.BytesIO(content), weights_only=True)
    else:
        (length,) = struct.unpack("<Q", content[:8])
        texts = json.loads(content[8 : 8 + length])["__metadata__"]
        held = {name: json.loads(text) for name, text in texts.items()} | dict(state=safetensors.torch.load(content))
    if choice.random() < 0.7:
        made = spoilt({k: v for k, v in held.items() if k != "state"}, choice)
    else:
        made = {name: value for name, value in held.items() if name != "state"}
    state = dict(held["state"])
    if choice.random() < 0.4:
        key, tensor = choice.choice(list(state.items()))
        state[key] = choice.choice(
            (
                torch.zeros(0),
                tensor.double(),
                tensor[None],
                tensor * torch.nan,
                tensor.flatten(),
                torch.zeros(3, dtype=torch.bool),
            )
        )
        if choice.random() < 0.2:
            del state[key]
    made = made if isinstance(made, dict) else {}
    if is_zip:
        return save(lambda file: torch.save(made | dict(state=state), file))
    return safetensors.torch.save(state, {name: json.dumps(value) for name, value in made.items()})


def png_of(width, height, chunks=()):
    """A PNG file that claims a size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join(chunk(*each) for each in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")


def bomb_png(content, choice):
    kind, much = choice.randrange(4), zlib.compress(bytes(10**8), 1)
    if kind == 0:
        return png_of(choice.choice((1, 8000, 2**31 - 1)), choice.choice((1, 8000, 60_000)))
    if kind == 1:
        return png_of(SIDE, SIDE, [(b"iCCP", b"a\0\0" + much)])
    if kind == 2:
        return png_of(SIDE, SIDE, [(b"zTXt", b"a\0\0" + much)] * 3)
    return png_of(SIDE, SIDE, [(b"tEXt", b"a\0" + b"x" * 10**6)] * 80)


def bomb_jpeg(content, choice):
    image, kind = (
        Image.fromarray(np.random.default_rng(choice.randrange(9)).integers(0, 256, (400, 400), np.uint8)),
        choice.randrange(4),
    )
    if kind == 0:
        size = content.index(b"\xff\xc0") + 5 if b"\xff\xc0" in content else content.index(b"\xff\xc2") + 5
        return (
            content[:size]
            + struct.pack(">HH", *choice.choice(((65500, 65500), (1, 65500), (0, 9))))
            + content[size + 4 :]
        )
    if kind == 1:  # the last scan again and again
        whole = save(image.save, "JPEG", progressive=True, quality=30)
        last = whole.rindex(b"\xff\xda")
        return whole[:-2] + whole[last:-2] * choice.choice((30, 60, 2000)) + b"\xff\xd9"
    segment = b"\xff\xe1\xff\xff" + b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x0f\0\x02\xff\xff\xff\xff" * 8189
    return content[:2] + (segment[: 4 + 65533 - 2] + bytes(2)) * choice.choice((1, 50)) + content[2:]


def bomb_tiff(content, choice):
    kind = choice.randrange(4)
    if kind == 0:  # a list of tags that leads to itself
        return b"II*\0\x08\0\0\0\0\0\x08\0\0\0" + content[14:]
    if kind == 1:
        return struct.pack("<2sHIH", b"II", 42, 8, 65535) + content
    if kind == 2:
        return save(Image.fromarray(np.zeros((9000, 9000), np.uint8)).save, "TIFF", compression="tiff_deflate")
    frames = [Image.fromarray(np.zeros((8, 8), np.uint8))] * 300
    return save(frames[0].save, "TIFF", save_all=True, append_images=frames)


def bomb_fits(content, choice):
    kind = choice.randrange(4)
    if kind == 0:
        cards = dict(SIMPLE=True, BITPIX=-64, NAXIS=3, NAXIS1=90_000, NAXIS2=90_000, NAXIS3=3)
    elif kind == 1:
        cards = dict(SIMPLE=True, BITPIX=8, NAXIS=999, **{f"NAXIS{n}": 2 for n in range(1, 900)})
    elif kind == 2:
        return content[:2880] * choice.choice((1, 1500))
    else:
        zeros = np.zeros((3, 3000, 3000), np.float32)
        return save(fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(zeros, compression_type="GZIP_2")]).writeto)
    return fits.Header(cards).tostring().encode() + bytes(2880)


def bomb_hdf5(content, choice):
    shape = choice.choice(
        ((10**9, 16, 16, 3), (10**5, 64, 64, 3), (4, 60_000, 60_000, 3), (2**62, 1, 1, 3), (0, 8, 8, 3))
    )
    options = choice.choice((dict(), dict(chunks=(1, *shape[1:3], 3)), dict(chunks=True, compression="gzip")))

    def write(file):
        with h5py.File(file, "w") as target:
            target.create_dataset(
                "images", shape, choice.choice((np.uint8, np.uint8, "S10", h5py.ref_dtype)), **options
            )
            target["ans"] = choice.choice((np.zeros(LEAST, np.uint8), np.array(["a"] * LEAST, "S"), np.zeros((2, 2))))
            target.create_dataset(choice.choice(("ra", "note", "RA")), data=[b"x" * 5000] * 200)

    try:
        return save(write)
    except (ValueError, OSError):
        return content[:2000] * 50  # HDF5 itself refuses to write it


def npy(shape, kind="|u1", body=100):
    """An array that claims a shape and a type."""
    return save(np.lib.format.write_array_header_1_0, dict(descr=kind, fortran_order=False, shape=shape)) + bytes(body)


def bomb_npy(content, choice):
    shapes = (10**9, 64, 64, 3), (2**62, 4, 4, 3), (-1, 4, 4, 3), (0, 4, 4, 3), (), (LEAST, 10**6, 10**6, 3)
    kind = choice.choice(("|u1", "|u1", "|O", "<f8", "|V99999999", "<U1000000", [("a", "<f4")]))
    deep = b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000
    return choice.choice((npy(choice.choice(shapes), kind), deep, b"\x93NUMPY\x09\x00" + bytes(99)))


def bomb_npz(content, choice):
    def write(file):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in choice.choice((("images", "labels"), ("images",), ("../images", "labels"), ("images",) * 3)):
                size = choice.choice((0, 100, 10**8 * 2))
                body = npy((size, 1, 1, 3) if choice.random() < 0.5 else (10**9, 9, 9, 3), body=0)
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    member.write(body)
                    for _ in range(0, size, 10**7):
                        member.write(bytes(10**7))

    return save(write)


def bomb_csv(content, choice):
    return choice.choice(
        (
            lambda: b"path,label\n" + b"," * 3_000_000,
            lambda: b"path,label\n" + b'"' * 1_000_001,
            lambda: b"path,label\n" + b"a" * 50_000_000,
            lambda: b"path,label\n" + b"0.png,a\n" * 2_000_000,
            lambda: b"," * 2_000_000 + b"\n1",
            lambda: content.decode().encode("utf-16"),
            lambda: gzip.compress(content),
            lambda: b"\0" * 10**6,
            lambda: b"path,label,path\n0.png,a,b\n",
            lambda: b"id\n" + b"9" * 10**6,
        )
    )()


def bomb_parquet(content, choice):
    table = choice.choice(
        (
            lambda: pa.table(
                dict(path=pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000_000, np.int8)), ["0.png"]))
            ),
            lambda: pa.table(
                dict(path=pa.DictionaryArray.from_arrays(pa.array(np.zeros(4000, np.int32)), ["x" * 10**6]))
            ),
            lambda: pa.table(dict(path=["0.png"], votes=[[[[1]]]])),
            lambda: pa.table(dict(path=[b"\xff\0"] * 9, label=[None] * 9)),
            lambda: pa.table({f"c{n}": [1] for n in range(5000)}),
            lambda: pa.table(dict(path=[dict(a=1)], label=["a"])),
            lambda: pa.table(dict(path=pa.array([2**63 - 1] * 9, pa.timestamp("ns")), label=["a"] * 9)),
            lambda: pa.table({}),
            lambda: pa.table(dict(id=["a"], **{"class": ["a"]}, probability=[dict(a=1)], novelty=[1.0], flags=[1])),
        )
    )()
    return save(lambda file: pq.write_table(table, file))


def bomb_onnx(content, choice):
    model = onnx.load_from_string(content)
    return choice.choice(
        (
            lambda: b"\x0a" + b"\xff\xff\xff\xff\x07" + content,
            lambda: b"\x3a\x02" * 500_000,
            lambda: content * 3,
            lambda: onnx.ModelProto(ir_version=8).SerializeToString(),
            lambda: (model.graph.node.extend(list(model.graph.node)), model.SerializeToString())[1],
        )
    )()


def bomb_json(content, choice):
    return choice.choice(
        (
            b"[" * 10**5,
            b'{"a":' * 10**5,
            b'{"count":' + b"9" * 5000 + b"}",
            b" " * 2**20 * 70,
            b"\xff\xfe{}",
            b'{"a": 1, "a": 2}',
            b"null",
            b"[]",
            b'{"epochs": 1e999}',
            b'"\\ud800"',
            b"{}",
            b"",
        )
    )


class Runs:
    """A pickle that would run a program."""

    def __reduce__(self):
        import os

        return os.system, ("touch RAN",)


def bomb_checkpoint(content, choice):
    if not content.startswith(b"PK"):
        header = choice.choice(
            (
                b'{"a":{"dtype":"F32","shape":[1000000000,100],"data_offsets":[0,4]}}',
                b"{" * 10**5,
                b'{"__metadata__":{"format":"[]"}}',
                b'{"__metadata__":{"format":"' + b"[" * 10**5 + b'"}}',
            )
        )
        return struct.pack("<Q", choice.choice((len(header), 2**63, 2**40))) + header + bytes(4)
    return choice.choice(
        (
            lambda: save(lambda file: torch.save(dict(format="galaxy_classifier 1", config={}, state=Runs()), file)),
            lambda: save(
                lambda file: torch.save(dict(format="galaxy_classifier 1", state=torch.zeros(1).expand(2**40)), file)
            ),
            lambda: save(lambda file: torch.save([1], file)),
            lambda: save(lambda file: torch.save(torch.zeros(3), file)),
            lambda: save(lambda file: torch.save(dict(format="galaxy_classifier 1"), file)),
        )
    )()


LYING = dict(
    csv=lying_text,
    prior=lying_text,
    history=lying_text,
    fits=lying_text,
    manifest=lying_json,
    summary=lying_json,
    config=lying_json,
    onnx=lying_model,
    pt=lying_checkpoint,
    safetensors=lying_checkpoint,
)
BOMBS = dict(
    jpeg=bomb_jpeg,
    png=bomb_png,
    tiff=bomb_tiff,
    fits=bomb_fits,
    hdf5=bomb_hdf5,
    npy=bomb_npy,
    labels=bomb_npy,
    npz=bomb_npz,
    csv=bomb_csv,
    prior=bomb_csv,
    history=bomb_csv,
    parquet=bomb_parquet,
    onnx=bomb_onnx,
    manifest=bomb_json,
    summary=bomb_json,
    config=bomb_json,
    pt=bomb_checkpoint,
    safetensors=bomb_checkpoint,
)


def make_input(sound, form, kind, seed):
    """Name and bytes of an input; the same for the same arguments."""
    choice = random.Random(f"{form} {kind} {seed}")
    content, name = choice.choice(sound[form]), f"input{SUFFIXES[form]}"
    if kind == "cut":
        content = cut(content, choice)
    if kind == "flipped":
        content = flipped(content, choice)
    if kind == "lying":
        content = LYING.get(form, replaced)(content, choice)
    if kind == "bomb":
        content = BOMBS[form](content, choice)
    if kind == "name":
        name = f"{choice.choice(NAMES)}{choice.choice(('', '', '', chr(10), ' '))}{SUFFIXES[form]}"
    return name.replace("/", "_"), content


def write_input(folder, name, content):
    """Write an input; returns its path."""
    path = Path(folder) / name
    path.write_bytes(content)
    return path
