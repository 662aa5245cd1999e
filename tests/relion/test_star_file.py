"""What is read from a STAR file and written again is the same, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoscore_plugin.errors import InputError
from relion_wrappers.star_file import read_star, write_star

# What RELION's files contain: no white space (words), no quotes, # or leading _;
# the last would be a column, as would be data_ a table, also for RELION.
WORDS = st.text(
    st.characters(
        codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="\"'#"
    ),
    min_size=1,
    max_size=12,
).filter(lambda word: not word.startswith(("_", "data_", "loop_")))
LABELS = st.from_regex(r"rln[A-Z][A-Za-z]{0,8}", fullmatch=True)
NAMES = st.from_regex(r"[a-z]{0,8}", fullmatch=True)


@st.composite
def star_tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table."""
    labels = draw(st.lists(LABELS, min_size=1, max_size=4, unique=True))
    row = st.lists(WORDS, min_size=len(labels), max_size=len(labels))
    return labels, draw(st.lists(row, min_size=1, max_size=4))


def words_of(path: Path) -> list[list[str]]:
    """The words of each line that is no comment and not empty."""
    lines = path.read_text().splitlines()
    return [line.split() for line in lines if line.strip() and line[0] != "#"]


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, star_tables(), min_size=1, max_size=3))
def test_any_table_is_written_as_it_was_read(
    tmp_path: Path, blocks: dict[str, tuple[list[str], list[list[str]]]]
) -> None:
    text = "# version 50001\n"
    for name, (labels, rows) in blocks.items():
        head = "".join(f"_{label} #{i}\n" for i, label in enumerate(labels, start=1))
        body = "".join(" ".join(row) + "\n" for row in rows)
        text += f"\ndata_{name}\n\nloop_\n{head}{body}\n"
    source = write_text(tmp_path / "in.star", text)
    write_star(tmp_path / "out.star", read_star(source))
    # pandas has one word for what is missing; RELION itself writes nan.
    expected = [
        [{"NaN": "nan", "<NA>": "nan"}.get(w, w) for w in line]
        for line in words_of(source)
    ]
    assert words_of(tmp_path / "out.star") == expected


@pytest.mark.parametrize("version", ["3.0", "3.1", "4.0", "5.0"])
def test_tables_of_every_relion_keep_every_word(
    tmp_path: Path, tables: dict[str, str], version: str
) -> None:
    source = write_text(tmp_path / "in.star", tables[version])
    write_star(tmp_path / "out.star", read_star(source))
    assert words_of(tmp_path / "out.star") == words_of(source)


@pytest.mark.parametrize("number", ["30001", "50001"])
def test_version_comment_is_the_first_line(tmp_path: Path, number: str) -> None:
    text = f"\n# version {number}\n\ndata_\n\nloop_\n_rlnA #1\n1\n"
    source = write_text(tmp_path / "in.star", text)
    write_star(tmp_path / "out.star", read_star(source))
    first = (tmp_path / "out.star").read_text().splitlines()[0]
    assert first == f"# version {number}"


def test_values_without_a_loop_keep_their_text(tmp_path: Path) -> None:
    text = 'data_general\n\n_rlnCounter   0013\n_rlnName  "two words"\n'
    source = write_text(tmp_path / "in.star", text)
    write_star(tmp_path / "out.star", read_star(source))
    assert words_of(tmp_path / "out.star") == words_of(source)


def test_name_with_a_space_in_quotes_keeps_them(tmp_path: Path) -> None:
    text = 'data_optics\n\nloop_\n_rlnA #1\n_rlnB #2\n"my group" 1\n'
    source = write_text(tmp_path / "in.star", text)
    write_star(tmp_path / "out.star", read_star(source))
    assert words_of(tmp_path / "out.star") == words_of(source)


HEAD = "data_micrographs\n\nloop_\n_rlnA #1\n_rlnB #2\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "no line of it begins with data_", id="empty"),
        pytest.param("hello\n", "begins with 'hello'", id="prose"),
        pytest.param(HEAD, "data_micrographs has no rows", id="no rows"),
        pytest.param(HEAD + "1 2\n3\n", "line 7: .* 1 values", id="short row"),
        pytest.param(HEAD + "1 2 3\n", "line 6: .* 3 values", id="long row"),
        pytest.param(
            "data_x\n\nloop_\n_rlnA #1\n_rlnA #2\n1 2\n",
            "rlnA is there twice",
            id="twice",
        ),
        pytest.param(HEAD + "1 2\n\n" + HEAD, "a second table data_micro", id="tables"),
        pytest.param(HEAD + "it's 2\n", "# and ' have a meaning", id="apostrophe"),
        pytest.param(HEAD + "a#b 2\n", "# and ' have a meaning", id="comment sign"),
        pytest.param(HEAD + "data_1.mrc 2\n", "must not begin with data_", id="name"),
        pytest.param(
            "data_x\n\n_rlnA 1\nloop_\n_rlnB #2\n1 2\n3 4\n",
            "could not be read so",
            id="value and table",
        ),
        pytest.param("data_x\n\n_rlnA 1 2\n", "cannot be read", id="two values"),
        pytest.param("data_x\n\nloop_\n\n_rlnA #1\n1\n", "cannot be read", id="gap"),
    ],
)
def test_what_would_be_lost_is_refused_with_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = write_text(tmp_path / "bad.star", text)
    with pytest.raises(InputError, match=sentence) as refusal:
        read_star(path)
    assert "bad.star" in str(refusal.value)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.star"
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(InputError, match="is no text"):
        read_star(path)


def test_missing_file_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="from the project folder"):
        read_star(tmp_path / "absent.star")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read"):
        read_star(tmp_path)


def test_failed_writing_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_text(tmp_path / "a.star", tables["5.0"])
    star = read_star(path)

    def fail(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError, match="No space left on device"):
        write_star(path, star)
    assert path.read_text() == tables["5.0"]
    assert list(tmp_path.iterdir()) == [path]
