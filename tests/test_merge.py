"""training/merge.py: one network that answers as the average of several would."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from keyart.calibration import Calibration, GenreCalibration, sigmoid
from keyart.ensemble.merge import Member, average_logits, merge
from keyart.errors import BundleError
from keyart.images.spec import ImageSpec, PackedSpec, Spec, pack_specs
from keyart.predictor import Network
from tests.colours import colours_onnx

LARGE, SMALL = ImageSpec(32, 24), ImageSpec(16, 16)
PLAIN = Calibration.identity(3)
CURVED = Calibration(
    (
        GenreCalibration("temperature", 0.7),
        GenreCalibration("platt", 1.3, -0.4),
        GenreCalibration(
            "isotonic", 0.05, 0.0, ((-1.5, -3.0), (-0.5, -1.0), (0.2, -0.9), (2.5, 1.2))
        ),
    )
)
STEPPED = Calibration(
    (
        GenreCalibration("isotonic", 0.1, 0.0, ((-2.0, -2.5), (1.0, 2.0))),
        GenreCalibration("isotonic", 0.2, 0.0, ((0.0, -1.0),)),
        GenreCalibration("identity"),
    )
)


def member(
    spec: ImageSpec,
    scale: float,
    calibration: Calibration,
    *,
    opset: int = 20,
    ml: int | None = None,
) -> Member:
    return Member(f"by {scale}", colours_onnx(spec, scale, opset=opset, ml=ml), spec, calibration)


def pictures(spec: Spec, films: int = 40, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Posters of one colour each, as every part of a spec would have prepared them."""
    shades = np.random.default_rng(seed).integers(0, 256, (films, 1, 1, 3), dtype=np.uint8)
    return [np.tile(shades, (1, part.height, part.width, 1)) for part in spec.parts]


def by_hand(
    members: Sequence[Member], weights: Sequence[float], films: int = 40
) -> npt.NDArray[np.float64]:
    """The average of what each member says by itself, calibrated."""
    total = np.zeros((films, 3))
    for one, weight in zip(members, weights, strict=True):
        logits = Network(one.onnx).logits(one.spec.pack(pictures(one.spec, films)))
        total += weight * one.calibration.apply(logits)
    return total


def merged(
    members: Sequence[Member], weights: Sequence[float], films: int = 40
) -> npt.NDArray[np.float64]:
    spec = pack_specs(one.spec for one in members)
    logits = Network(merge(members, weights)).logits(spec.pack(pictures(spec, films)))
    assert logits.dtype == np.float32
    return sigmoid(logits.astype(np.float64))


MEMBERS = [member(LARGE, 16, CURVED), member(SMALL, 24, STEPPED), member(LARGE, 40, PLAIN)]


@pytest.mark.parametrize("weights", [[1 / 3, 1 / 3, 1 / 3], [0.7, 0.05, 0.25], [0.0, 1.0, 0.0]])
def test_a_merged_network_says_the_average_of_its_members(weights: list[float]) -> None:
    found = merged(MEMBERS, weights)
    assert np.ptp(found) > 0.5
    np.testing.assert_allclose(found, by_hand(MEMBERS, weights), atol=1e-6, rtol=0)


def test_the_merged_model_is_a_valid_one_with_one_input() -> None:
    model = onnx.load_model_from_string(merge(MEMBERS, [0.5, 0.3, 0.2]))
    onnx.checker.check_model(model, full_check=True)
    (pixels,) = model.graph.input
    shape = [dim.dim_param or dim.dim_value for dim in pixels.type.tensor_type.shape.dim]
    assert shape == ["films", 32 * 24 * 3 + 16 * 16 * 3]


def test_members_that_see_the_same_share_their_pixels() -> None:
    members = [member(LARGE, 16, CURVED), member(LARGE, 40, PLAIN)]
    assert pack_specs(one.spec for one in members) == LARGE
    np.testing.assert_allclose(
        merged(members, [0.5, 0.5]), by_hand(members, [0.5, 0.5]), atol=1e-6, rtol=0
    )


def test_an_ensemble_can_be_a_member_of_another() -> None:
    spec = PackedSpec((SMALL, LARGE))
    inner = [member(SMALL, 24, STEPPED), member(LARGE, 40, PLAIN)]
    members = [MEMBERS[0], Member("inner", merge(inner, [0.4, 0.6]), spec, CURVED)]
    np.testing.assert_allclose(
        merged(members, [0.5, 0.5]), by_hand(members, [0.5, 0.5]), atol=1e-6, rtol=0
    )


def test_operators_of_an_older_version_are_brought_up_to_date() -> None:
    members = [member(LARGE, 16, CURVED, opset=17), member(SMALL, 24, PLAIN, opset=20)]
    model = onnx.load_model_from_string(merge(members, [0.5, 0.5]))
    assert [opset.version for opset in model.opset_import] == [20]
    np.testing.assert_allclose(
        merged(members, [0.5, 0.5]), by_hand(members, [0.5, 0.5]), atol=1e-6, rtol=0
    )


def test_classical_operators_of_one_version_are_kept_and_of_two_refused() -> None:
    one, other = member(LARGE, 16, CURVED, ml=3), member(SMALL, 24, PLAIN, ml=4)
    model = onnx.load_model_from_string(merge([one, MEMBERS[1]], [0.5, 0.5]))
    assert {opset.domain: opset.version for opset in model.opset_import} == {
        "": 20,
        "ai.onnx.ml": 3,
    }
    with pytest.raises(BundleError, match=r"by 24: uses version 4 of ai\.onnx\.ml, another .* 3"):
        merge([one, other], [0.5, 0.5])


def test_a_member_that_needs_more_than_the_poster_is_refused() -> None:
    model = onnx.load_model_from_string(colours_onnx(LARGE, 16))
    model.graph.input.append(
        helper.make_tensor_value_info("facts", TensorProto.FLOAT, ["films", 2])
    )
    with pytest.raises(BundleError, match="old: needs facts beside the poster"):
        merge([MEMBERS[0], Member("old", model.SerializeToString(), LARGE, PLAIN)], [0.5, 0.5])


def test_a_network_averaged_with_itself_says_what_it_says_alone() -> None:
    one = MEMBERS[0]
    alone = one.calibration.apply(Network(one.onnx).logits(pictures(LARGE)[0]))
    np.testing.assert_allclose(merged([one, one, one], [0.2, 0.5, 0.3]), alone, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_whatever_curves_the_members_have_the_average_is_theirs(data: st.DataObject) -> None:
    def curve() -> GenreCalibration:
        slope = data.draw(st.floats(0.01, 4))
        if data.draw(st.booleans()):
            return GenreCalibration("platt", slope, data.draw(st.floats(-5, 5)))
        size = data.draw(st.integers(1, 9))
        steps = st.lists(st.floats(0.01, 3), min_size=size, max_size=size)
        ats = np.cumsum(data.draw(steps)) + data.draw(st.floats(-9, 3))
        values = np.cumsum(data.draw(steps)) + data.draw(st.floats(-9, 3))
        knots = tuple((float(at), float(value)) for at, value in zip(ats, values, strict=True))
        return GenreCalibration("isotonic", slope, 0.0, knots)

    members = [
        member(spec, data.draw(st.floats(4, 60)), Calibration((curve(), curve(), curve())))
        for spec in (LARGE, SMALL)
    ]
    share = data.draw(st.floats(0, 1))
    weights = [share, 1 - share]
    np.testing.assert_allclose(
        merged(members, weights), by_hand(members, weights), atol=1e-6, rtol=0
    )


def test_the_logit_of_an_average_is_finite_even_where_all_are_sure() -> None:
    scores = np.array([[[0.0, 1.0, 0.5]], [[0.0, 1.0, 0.1]]])
    logits = average_logits(scores, [0.5, 0.5])
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(sigmoid(logits.astype(float)), [[0, 1, 0.3]], atol=1e-7)
