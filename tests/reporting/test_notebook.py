"""What notebooks show with."""

import inspect
import re
from html import unescape

from videoattn.errors import InputError
from videoattn.reporting import notebook


def test_source_is_shown_as_it_stands_with_a_font_of_equal_widths(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda data, raw: shown.append((data, raw)))
    notebook.source(InputError)
    [(data, raw)] = shown
    text = inspect.getsource(InputError)
    assert raw
    assert set(data) == {"text/html", "text/plain"}
    assert data["text/plain"] == text
    [(style, code)] = re.findall(r"<pre style=\"(.*?)\">(.*)</pre>", data["text/html"], re.DOTALL)
    assert "monospace" in style
    assert unescape(re.sub(r"<[^>]*>", "", code)) == text
