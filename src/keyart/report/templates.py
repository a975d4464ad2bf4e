"""The templates of pages: how they are found, and what they all can use."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from keyart.report import numbers
from keyart.version import __version__


def template(name: str, *, room: str = "report") -> Template:
    """A template of a package of keyart. It can use the templates and styles of the report too."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(f"keyart.{one}", "") for one in (room, "report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "metric": numbers.value_text,
        "interval": numbers.interval_text,
        "signed": numbers.signed_text,
        "share": numbers.share_text,
        "percent": numbers.percent_text,
    }
    environment.globals |= {"version": __version__}
    return environment.get_template(name)
