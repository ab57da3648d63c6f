// The widget of the stand-in, for whichever provider it stands in: a box to tick, then the answer is in the form. Where
// nothing is to be pressed (a score), it is what the page calls `execute` of.
(() => {
  const source = new URL(document.currentScript.src);
  const kind = source.pathname.match(/\/widget\/(\w+)\.js$/)[1];
  const FIELDS = {
    turnstile: ["cf-turnstile", "cf-turnstile-response"],
    hcaptcha: ["h-captcha", "h-captcha-response"],
    recaptcha: ["g-recaptcha", "g-recaptcha-response"],
    recaptcha_enterprise: ["g-recaptcha", "g-recaptcha-response"],
    friendly: ["frc-captcha", "frc-captcha-response"],
  };
  const [look, field] = FIELDS[kind];

  const answer = async (sitekey, bound) => {
    const content = JSON.stringify({ sitekey, bound });
    const said = await fetch(new URL(`${kind}/answer`, source), {
      method: "POST", body: content, headers: { "Content-Type": "application/json" },
    });
    if (!said.ok) throw new Error(String(said.status));
    return (await said.json()).answer;
  };

  const show = (element) => {
    const label = document.createElement("label"), box = document.createElement("input");
    const hidden = document.createElement("input");
    box.type = "checkbox";
    hidden.type = "hidden";
    hidden.name = field;
    label.append(box, " I am a person (stand-in)");
    element.append(label, hidden);
    box.addEventListener("change", async () => {
      box.disabled = true;
      const { sitekey, cdata, action } = element.dataset;
      try {
        hidden.value = await answer(sitekey, cdata ?? action ?? "");
      } catch {
        box.checked = box.disabled = false;
        label.append(" That did not work.");
      }
    });
  };

  const scored = { ready: (then) => then(), execute: (sitekey, { action }) => answer(sitekey, action) };
  window.grecaptcha = { ...scored, enterprise: scored };
  const begin = () => document.querySelectorAll(`.${look}[data-sitekey]`).forEach(show);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
