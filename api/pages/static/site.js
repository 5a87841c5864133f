// What every page gets where scripts run: buttons that copy, and an error that is read out. All else works without.

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    const before = button.textContent;
    button.textContent = "✓";
    setTimeout(() => { button.textContent = before; }, 1200);
  });
}

document.getElementById("errors")?.focus();
