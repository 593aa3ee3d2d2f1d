"""The handout as PDF, from its Markdown: part of `make lessons`. Needs fpdf2; fonts are matplotlib's."""

import re
from datetime import UTC, datetime
from pathlib import Path

import matplotlib
from fpdf import FPDF

from data_gen import files

HERE = Path(__file__).parent
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SIZE, LINE = 9.5, 4.7  # of text in points, of a line in mm


def page() -> FPDF:
    pdf = FPDF(format="A4")
    pdf.set_margins(18, 15)
    pdf.set_auto_page_break(True, margin=14)
    pdf.set_title("The modality gap: handout")
    pdf.set_creation_date(datetime(2026, 1, 1, tzinfo=UTC))  # the same source, the same file
    for style, name in (("", "DejaVuSans"), ("B", "DejaVuSans-Bold"), ("I", "DejaVuSans-Oblique")):
        pdf.add_font("text", style, FONTS / f"{name}.ttf")
    pdf.add_font("code", "", FONTS / "DejaVuSansMono.ttf")
    pdf.add_page()
    return pdf


def write(pdf: FPDF, text: str) -> None:
    """A line with **bold**, *slanted* and `code`."""
    for piece in re.split(r"(\*\*.+?\*\*|\*.+?\*|`.+?`)", text):
        if piece.startswith("**"):
            pdf.set_font("text", "B", SIZE)
        elif piece.startswith("`"):
            pdf.set_font("code", "", SIZE - 1)
        else:
            pdf.set_font("text", "I" if piece.startswith("*") else "", SIZE)
        pdf.write(LINE, piece.strip("*`"))
    pdf.ln(LINE)


def handout(source: Path, target: Path) -> int:
    """Write the PDF; returns its number of pages. Understands headings, lists and paragraphs."""
    pdf = page()
    for text in source.read_text(encoding="utf-8").splitlines():
        if text.startswith("#"):
            level = len(text) - len(text.lstrip("#"))
            pdf.ln(1.5)
            pdf.set_font("text", "B", {1: 15, 2: 11.5}[level])
            pdf.cell(0, 7, text.lstrip("# "), new_x="LMARGIN", new_y="NEXT")
        elif text:
            write(pdf, "•  " + text[2:] if text.startswith("- ") else text)
        else:
            pdf.ln(1.5)
    with files.whole(target) as beside:
        pdf.output(beside)
    return pdf.page


if __name__ == "__main__":
    pages = handout(HERE / "handout.md", HERE / "handout.pdf")
    print(f"wrote {HERE / 'handout.pdf'}: {pages} pages")
