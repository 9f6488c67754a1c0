"""train/inputs.py: the hyperparameters and csv files of a training job."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
from inputs import Between, Data, InputError, count_classes, parse, read_channel


@dataclass(frozen=True)
class Hyperparameters:
    task: Literal["regression", "classification"] = "regression"
    rounds: Annotated[int, Between(1, 1000)] = 100
    learning_rate: Annotated[float, Between(0, 1)] = 0.3
    name: str = "x"
    shuffle: bool = True


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Hyperparameters()),
        ({"rounds": "7", "learning_rate": "1e-2"}, Hyperparameters(rounds=7, learning_rate=0.01)),
        ({"shuffle": "False"}, Hyperparameters(shuffle=False)),
        ({"shuffle": "1", "name": ""}, Hyperparameters(name="")),
        # The SageMaker SDK's framework estimators encode each value as JSON.
        ({"task": '"classification"', "rounds": '"7"'}, Hyperparameters("classification", 7)),
        ({"sagemaker_program": "a.py", "_tuning_objective_metric": "rmse"}, Hyperparameters()),
    ],
)
def test_hyperparameters_are_read_from_strings(given: dict[str, str], expected: Hyperparameters) -> None:
    assert parse(given, Hyperparameters) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"round": "7"}, "Unknown hyperparameter round. Did you mean rounds?"),
        ({"zzz": "7"}, "Unknown hyperparameter zzz. Valid names: task, rounds, learning_rate, name, shuffle."),
        ({"rounds": "many"}, "Hyperparameter rounds must be a whole number from 1 to 1000, not 'many'."),
        ({"rounds": "1.5"}, "Hyperparameter rounds must be a whole number from 1 to 1000, not '1.5'."),
        ({"rounds": "0"}, "Hyperparameter rounds must be a whole number from 1 to 1000, not '0'."),
        ({"learning_rate": "nan"}, "Hyperparameter learning_rate must be a number from 0 to 1, not 'nan'."),
        ({"shuffle": "maybe"}, "Hyperparameter shuffle must be one of true, 1, false, 0, not 'maybe'."),
        ({"task": "ranking"}, "Hyperparameter task must be one of regression, classification, not 'ranking'."),
    ],
)
def test_an_invalid_hyperparameter_is_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        parse(given, Hyperparameters)


def channel(folder: Path, **files: str | bytes) -> Path:
    """Create the folder of a channel with files NAME.csv."""
    for name, content in files.items():
        (folder / "train").mkdir(exist_ok=True)
        path = folder / "train" / f"{name}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "train"


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3\n4,5,6\n",
        "1,2,3\r\n4,5,6",
        "\ufeff1,2,3\n\n4,5,6\n\n",
        'price,"rooms, all",size\n1,2,3\n4,5,6\n',
        '"1","2","3"\n 4 , 5e0,6\n',
    ],
)
def test_common_variants_of_csv_are_read(tmp_path: Path, content: str) -> None:
    data = read_channel(channel(tmp_path, a=content), takes_missing=False)
    assert (data.y.tolist(), data.x.tolist()) == ([1, 4], [[2, 3], [5, 6]])


def test_all_files_of_a_channel_are_read_in_order_and_headers_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = channel(tmp_path, b="y,x\n2,20\n", a="y,x\n1,10\n")
    (folder / "_SUCCESS").touch()
    (folder / ".hidden").write_text("x")
    (folder / "c").mkdir()
    (folder / "c/c.csv").write_text("3,30\n")
    assert read_channel(folder, takes_missing=False).y.tolist() == [1, 2, 3]
    assert "train/b.csv: line 1 is a header" in capsys.readouterr().out


def test_an_empty_field_is_a_missing_value_if_the_framework_supports_it(tmp_path: Path) -> None:
    folder = channel(tmp_path, a="1,,3\n4,nan, \n")
    assert np.isnan(read_channel(folder, takes_missing=True).x).tolist() == [[True, False], [True, True]]
    with pytest.raises(InputError, match=r"^train/a.csv, line 1: column 2 is missing\.$"):
        read_channel(folder, takes_missing=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n3,four\n", "train/a.csv, line 2: column 2 is 'four', not a number."),
        ("h,i\n1,2\n,4\n", "train/a.csv, line 3: the label is missing."),
        ("1,inf\n", "train/a.csv, line 1: column 2 is 'inf', not a finite number."),
        ("1,2\n3,4,5\n", "train/a.csv, line 2 has 3 columns, but the lines before it have 2."),
        ('1,2\n"3,4\n5,6\n', "train/a.csv, line 2 has 1 columns, but the lines before it have 2."),
        ("1;2;3\n4;5;6\n", "train/a.csv, line 2: the label is '4;5;6', not a number."),
        ("", "There are no records in channel train."),
        ("a,b\n", "There are no records in channel train."),
        ("1\n2\n", "Channel train has only one column: expected a label and features, separated by commas."),
        (b"PAR1\x00\xff\xfe", "train/a.csv is not CSV: it is not UTF-8 text."),
        ("1,2\n3," + "4" * 200_000, "train/a.csv, line 2: field larger than field limit (131072)."),
    ],
)
def test_an_invalid_line_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        read_channel(channel(tmp_path, a=content), takes_missing=True)


def test_all_files_have_to_have_the_same_number_of_columns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^train/b.csv, line 1 has 3 columns, but the lines before it have 2\.$"):
        read_channel(channel(tmp_path, a="1,2\n", b="1,2,3\n"), takes_missing=True)


def test_a_missing_channel_has_no_records(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^There are no records in channel train\.$"):
        read_channel(tmp_path / "train", takes_missing=True)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], "must be 0, 1, 2 and so on, but channel train has 1, 2."),
        ([0, 0], "channel train has 0."),
        ([0, 0.5, 1, 2, 3, 4], "channel train has 0, 0.5, 1, 2, 3 …."),
    ],
)
def test_class_labels_have_to_count_from_zero(labels: list[float], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        count_classes(data(labels), None)


def test_the_classes_come_from_the_training_data() -> None:
    assert count_classes(data([0, 1, 2, 1]), data([2, 2])) == 3
    with pytest.raises(InputError, match="validation has labels that channel train does not have"):
        count_classes(data([0, 1]), data([2]))


def data(labels: list[float]) -> Data:
    return Data(np.zeros((len(labels), 1)), np.array(labels, dtype=float))
