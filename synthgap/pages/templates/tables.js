for (const box of document.querySelectorAll(".table")) {
  const body = box.querySelector("tbody"), rows = [...body.rows], heads = [...box.querySelectorAll("thead th")];
  const search = box.querySelector("input"), selects = [...box.querySelectorAll("select")];
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent.trim();
  const order = new Intl.Collator("en", { numeric: true }).compare;
  for (const select of selects) {
    const values = new Set(rows.map(row => row.cells[select.dataset.column].textContent.trim()));
    for (const each of [...values].sort(order)) select.add(new Option(each || "(none)", "=" + each));
  }
  box.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word)) ||
        !selects.every(s => !s.value || s.value === "=" + row.cells[s.dataset.column].textContent.trim());
    }
    const shown = rows.filter(row => !row.hidden).length;
    box.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
  });
  heads.forEach((head, i) => head.querySelector("button").addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const missing = x => x === "" || x === "nan";
    const compare = (x, y) => isNaN(x) || isNaN(y) ? order(x, y) : x - y;
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    rows.sort((a, b) => {
      const x = value(a, i), y = value(b, i);
      return missing(x) - missing(y) || sign * compare(x, y);
    });
    body.append(...rows);
  }));
}
