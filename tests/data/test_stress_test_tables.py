"""Readers of stress-test tables: what they read, what they refuse with file, row and column, and the public totals."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import dynamics.data as data
from dynamics.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the files of the European Banking Authority are not shipped; they"
                          " are read from ../shared/data where that folder exists")

EXPOSURES = ("LEI_code,Country_code,Bank_name,Period,Country,Exposure,Loan_Amount,Bond_Amount,Total_Amount,Unit,Currency",
             "B1,DE,First,201512,Total,Retail,10,0,10,Millions,Euro", "B1,DE,First,201512,FR,Retail,4,0,4,Millions,Euro",
             'B2,ES,"Second, S.A.",201512,Total,Retail,7,1,8,Million,Euro')
IMPAIRMENTS = ("LEI_code,Country_code,Bank_name,Period,Scenario,Country,Exposure,Impairment_rate",
               "B1,DE,First,201612,Adverse scenario,Total,Retail,0.02")
VOLUMES = ("Country,Year,Volume,Unit,Currency", "DE,2015,18710.3,Million,Euro", "FR,2015,9000,Million,Euro")
INDICES = ("Country,Date,Value", "DE,2015-01-05,202", "DE,2015-01-02,200", "US,2015-01-05,100")
BANKS = ("bank_id,CET1E,leverage,debt_sec,govbonds", "AT01 14712 6.55 34241 13+27682", "DK07 9354 4.80 0 0")
DETAIL = ("banknumber gov_bonds corp_bonds I_i R_i T2C CET1E lambda CET1ratio tier1_capital equities",
          "AT01 13+27682 3367+785+2393 0 R_i 4940 14712 6.55 13.37 15368")
RATIOS = ("adverse_RWCR adverse_leverage", "8.56 4.67", "9.73 5.18")
LAYOUTS = {"eba_2016_exposures": EXPOSURES, "eba_2016_impairments": IMPAIRMENTS, "sovereign_bond_volumes": VOLUMES,
           "sovereign_bond_indices": INDICES, "eba_2018_banks": BANKS, "eba_2018_detail": DETAIL,
           "eba_2018_adverse_ratios": RATIOS}


@pytest.fixture
def write(tmp_path):
    def write_file(lines, name="table.csv"):
        file = tmp_path / name
        text = "\n".join(lines).encode()
        file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return file

    return write_file


def test_exposures_are_placed_by_bank_class_and_country(write):
    for name in ("table.csv", "table.csv.gz"):
        banks = data.read(write(EXPOSURES, name), "eba_2016_exposures")
        assert banks["loans"].sel({"bank": "B1", "class": "Retail"}).values.tolist() == [10, 4]
        assert np.isnan(banks["loans"].sel({"bank": "B2", "country": "FR"})).all()
        assert banks["bank_name"].values.tolist() == ["First", "Second, S.A."]
        assert banks["bonds"].attrs["units"] == "1e6 EUR"


def test_sums_missing_days_and_cells_at_the_end(write):
    assert data.read(write(BANKS), "eba_2018_banks")["government_bonds"].values.tolist() == [27695, 0]
    detail = data.read(write(DETAIL), "eba_2018_detail")
    assert detail["corporate_bonds"].values.tolist() == [6545]
    assert detail.attrs["ignored_columns"] == ["i_i", "r_i", "equities"]
    indices = data.read(write(INDICES), "sovereign_bond_indices")["index"]
    assert indices.sel(country="DE").values.tolist() == [200, 202]
    assert np.isnan(indices.sel(country="US").values[0])
    assert float(data.read(write(VOLUMES), "sovereign_bond_volumes")["volume"].sel(country="FR", year=2015)) == 9000


@pytest.mark.parametrize(("layout", "old", "new", "says"), [
    ("eba_2016_exposures", "10,0,10", "10;0,0,10", "line 2, column 'loan_amount': '10;0' is not a number"),
    ("eba_2016_exposures", "10,0,10", "-10,0,10", "line 2, column 'loan_amount': -10 is outside 0 .. inf"),
    ("eba_2016_exposures", "Million,Euro", "Thousand,Euro",
     "line 4, column 'unit': 'Thousand' where this layout has Million or Millions"),
    ("eba_2016_exposures", "FR,Retail", "Total,Retail", "line 3: the same lei_code, exposure, country as in line 2"),
    ("eba_2016_exposures", "First,201512,FR", "Other,201512,FR",
     "line 3, column 'bank_name': 'Other', but an earlier row has 'First' for the same bank"),
    ("eba_2016_exposures", "Loan_Amount", "Loans", "no column 'loan_amount'"),
    ("eba_2016_impairments", "0.02", "1.2", "line 2, column 'impairment_rate': 1.2 is outside -1 .. 1"),
    ("eba_2016_impairments", "B1,DE", ",DE", "line 2, column 'lei_code': the cell is empty"),
    ("sovereign_bond_volumes", "DE,2015", "DE,15", "line 2, column 'year': '15' is not a year"),
    ("sovereign_bond_indices", "2015-01-05,202", "05.01.2015,202", "line 2, column 'date': '05.01.2015' is not a date"),
    ("sovereign_bond_indices", "202", "0", "line 2, column 'value': 0 is outside"),
    ("eba_2018_banks", "13+27682", "13+", "line 2, column 'govbonds': the cell is empty"),
    ("eba_2018_banks", "6.55", "655", "line 2, column 'leverage': 655 is outside 0 .. 100"),
    ("eba_2018_banks", "9354 4.80 0 0", "9354 4.80 0 0 0", "line 3: 6 cells where the header has 5"),
    ("eba_2018_detail", "14712", "x", "line 2, column 'cet1e': 'x' is not a number"),
    ("eba_2018_adverse_ratios", "4.67", "467", "line 2, column 'adverse_leverage': 467 is no percentage"),
    ("eba_2018_adverse_ratios", "5.18", "", "line 3, column 'adverse_leverage': the cell is empty"),
])
def test_faults_are_named_with_file_line_and_column(write, layout, old, new, says):
    text = "\n".join(LAYOUTS[layout])
    assert old in text
    with pytest.raises(DataError) as caught:
        data.read(write(text.replace(old, new, 1).split("\n")), layout)
    assert str(caught.value).startswith("table.csv: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_table_without_rows_and_one_of_another_layout_are_refused(write, layout):
    with pytest.raises(DataError, match="no rows below the header"):
        data.read(write(LAYOUTS[layout][:1]), layout)
    with pytest.raises(DataError, match="no column"):
        data.read(write(("Time,Close", "1,2")), layout)
    with pytest.raises(DataError, match="no such file"):
        data.read("/nowhere/table.csv", layout)


def test_broken_and_binary_compressed_files(write, tmp_path):
    whole = write(VOLUMES, "table.csv.gz").read_bytes()
    for content, says in ((whole[:-9], "cannot be decompressed"), (gzip.compress(b"a\0b"), "binary"),
                          (gzip.compress(b""), "empty"), (whole[:12] + b"garbage" + whole[12:], "cannot be decompressed")):
        file = tmp_path / "broken.gz"
        file.write_bytes(content)
        with pytest.raises(DataError, match=says):
            data.read(file, "sovereign_bond_volumes")


def test_tables_that_do_not_belong_together_are_not_blown_up(write, monkeypatch):
    monkeypatch.setattr("dynamics.data.long_table.MOST_CELLS", 3)
    with pytest.raises(DataError, match="2 x 2 labels in the columns country, date"):
        data.read(write(INDICES), "sovereign_bond_indices")


@real
def test_eba_2016_totals():
    # fire-sales notes, section 1: 51 banks, CET1 1,238,478.6, assets 27,010,718, bonds 1,972,811.6 million EUR
    banks = data.read(SHARED / "eba_2016" / "exposures.csv.gz", "eba_2016_exposures").sel(country="Total")
    assert banks.sizes["bank"] == 51
    assert float(banks["amount"].sel({"class": "Common tier1 equity capital"}).sum()) == pytest.approx(1238478.6, abs=0.05)
    assert float(banks["bonds"].sel({"class": "Central banks and central governments"}).sum()) == pytest.approx(
        1972811.6, abs=0.05)
    volumes = data.read(SHARED / "eba_2016" / "average_daily_volume_sovereign.csv.gz", "sovereign_bond_volumes")
    assert volumes["volume"].sel(year=2015).sel(country=["DE", "US", "Rest_of_the_world"]).values == pytest.approx(
        [18710.3, 441441.4, 82834.6], abs=0.05)


@real
def test_eba_2018_totals():
    # fire-sales notes, section 2b: CET1 1,223,096; government bonds 1,605,635; leverage ratio from 3.41 %, median 5.465 %
    banks = data.read(SHARED / "eba_2018" / "banks_48.csv", "eba_2018_banks")
    assert (float(banks["equity"].sum()), float(banks["government_bonds"].sum())) == (1223096, 1605635)
    assert float((banks["equity"]/banks["leverage_ratio"]).sum())*100 == pytest.approx(22802400.44, abs=0.005)
    assert float(banks["leverage_ratio"].min()) == 3.41
    assert float(banks["leverage_ratio"].median()) == pytest.approx(5.465)
    detail = data.read(SHARED / "eba_2018" / "banks_detail.csv", "eba_2018_detail")
    assert np.array_equal(detail["government_bonds"], banks["government_bonds"])
    ratios = data.read(SHARED / "eba_2018" / "adverse_ratios.csv", "eba_2018_adverse_ratios")
    assert ratios.sizes == banks.sizes
    assert float(ratios["leverage_ratio"].min()) == 1.88
