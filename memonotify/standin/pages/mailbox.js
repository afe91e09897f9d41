// Brings new messages into the list without loading the page again.
const list = document.getElementById("arrivals");
const current = document.querySelector("[aria-current]")?.getAttribute("href");
async function refresh() {
  try {
    const answer = await fetch("/arrivals");
    if (!answer.ok) return;
    list.innerHTML = await answer.text();
    if (current) list.querySelector(`a[href="${current}"]`)?.setAttribute("aria-current", "page");
  } catch { /* the demo has ended: what is on the page stays */ }
}
setInterval(refresh, 2000);
