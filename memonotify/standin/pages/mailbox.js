// Brings new messages into the list without loading the page again, and shows a mail at its whole height.
const list = document.getElementById("arrivals");
const current = document.querySelector("[aria-current]")?.getAttribute("href");
document.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
async function refresh() {
  try {
    const answer = await fetch("/arrivals");
    if (!answer.ok) return;
    list.innerHTML = await answer.text();
    // The page was opened before anything had come in: now there is a message to open.
    if (document.querySelector("article .empty") && list.querySelector("a")) location.reload();
    if (current) list.querySelector(`a[href="${current}"]`)?.setAttribute("aria-current", "page");
  } catch { /* the demo has ended: what is on the page stays */ }
}
setInterval(refresh, 2000);

const frame = document.querySelector("iframe");
function fit() {
  // A document is never measured smaller than its frame, so the frame goes first.
  frame.style.height = "0";
  const mail = frame.contentDocument?.documentElement;
  frame.style.height = mail?.scrollHeight ? `${mail.scrollHeight + 2}px` : "";
}
if (frame) {
  frame.addEventListener("load", fit);
  addEventListener("resize", fit);
  if (frame.contentDocument?.readyState === "complete") fit();
}
