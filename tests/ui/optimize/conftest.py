"""What the tests of Optimize share."""

from streamlit.testing.v1 import AppTest


def wish(app: AppTest, **values: float | None) -> AppTest:
    """Fill fields: share, megabytes, millions, kl, worse and what units have besides."""
    for name, value in values.items():
        app.number_input(key=f"optimize_{name}").set_value(value)
    app.run()
    assert not app.exception
    return app
