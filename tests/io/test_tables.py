"""Tables as spreadsheets save them."""

import pytest

from imexnet.io.tables import read_table

COLUMNS = ("id", "split", "scene_type")
PLAIN = "id,split,scene_type\n0001,train,kitchen\n0002,val,dining room\n"
ROWS = [
    {"id": "0001", "split": "train", "scene_type": "kitchen"},
    {"id": "0002", "split": "val", "scene_type": "dining room"},
]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace(",", ";").encode("utf-8-sig"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.strip().encode(),
        f"sep=;\n{PLAIN.replace(',', ';')}".encode(),
        f"\n,,\n{PLAIN}\n,,\n   \n".encode(),
        PLAIN.replace("id,split,scene_type", "ID, Split ,Scene Type").encode(),
        PLAIN.replace(",", " , ").encode(),
        b'"id","split","scene_type"\n"0001","train","kitchen"\n"0002","val","dining room"\n',
        b"id,split,scene_type\n0001,train,kitchen,,\n0002,val,dining room\n",
    ],
)
def test_a_table_is_read_however_it_was_saved(tmp_path, content):
    path = tmp_path / "index.csv"
    path.write_bytes(content)
    assert read_table(path, COLUMNS) == ROWS


def test_columns_may_stand_in_any_order_beside_others(tmp_path):
    path = tmp_path / "index.csv"
    path.write_bytes(
        'notes;scene_type;id;split\n"schön; teuer";kitchen;0001;train\n'.encode("cp1252")
    )
    assert read_table(path, COLUMNS) == [{"notes": "schön; teuer", **ROWS[0]}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "lacks the columns id, split, scene_type; it has none"),
        ("id,run\n1,2\n", "lacks the columns split, scene_type; it has id, run"),
        ("0001,train,kitchen\n", "lacks the columns id, split, scene_type; it has 0001"),
        ("id,split,split,scene_type\n", "has the column split more than once"),
        ("id,split,scene_type\n\n0001,,kitchen\n", "line 3: there is no split"),
        ("id,split,scene_type\n0001,train\n", "line 2: there is no scene_type"),
    ],
)
def test_what_is_missing_is_named_with_the_file(tmp_path, content, told):
    path = tmp_path / "index.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"index\.csv.*{told}"):
        read_table(path, COLUMNS)
