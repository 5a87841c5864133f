// What changes in a moment is looked at again then, while nobody types or plays anything. Without scripts, its reader does.

const told = document.querySelector("[data-again]");

function again() {
  const isBusy = document.hidden || document.activeElement?.matches("input, textarea, select")
    || [...document.querySelectorAll("video, audio")].some((one) => !one.paused);
  if (isBusy) setTimeout(again, 1000);
  else location.reload();
}

if (told) setTimeout(again, 1000 * Number(told.dataset.again));
