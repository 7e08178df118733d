"use strict";
// The address is /account/link#purpose=token. Nothing happens before the button: mail scanners open links, too.
const PURPOSES = {
  verify_email: {
    path: "/api/email/verify", title: "Confirm your e-mail address", button: "Confirm this address",
    text: "With this your account can trade.", done: "Your address is confirmed. You can close this page.",
  },
  change_email: {
    path: "/api/email/confirm", title: "Use this e-mail address", button: "Use this address",
    text: "It replaces the present address of your account.", done: "This is your address now. Log in with it.",
  },
  undo_email: {
    path: "/api/email/undo", title: "Take your e-mail address back", button: "Take it back",
    text: "This ends every session and API key, and sends you a link for a new password.",
    done: "Your address is back. Look into your mail for the link to a new password.",
  },
  cancel_lost_factor: {
    path: "/api/lost-factor/cancel", title: "Keep your second factors", button: "Cancel the request",
    text: "The request to remove the second factors of your account ends.", done: "It is canceled. Nothing was changed.",
  },
  confirm_withdrawal: {
    path: "/api/withdrawals/confirm", title: "Confirm your withdrawal", button: "Confirm the withdrawal",
    text: "After this it is checked and sent.", done: "It is confirmed. You will hear from us when it is sent.",
  },
  unsubscribe: {
    path: "/api/notifications/unsubscribe", title: "No more letters of this kind", button: "Switch them off",
    text: "Letters that protect your account still come.", done: "Done. You can switch them on again in your account.",
  },
  reset_password: {
    path: "/api/password-reset/confirm", title: "Set a new password", button: "Set this password",
    text: "Every session of your account ends.", done: "Your new password is set. Log in with it.",
  },
  cancel_lost_factor: {
    path: "/api/lost-factor/cancel", title: "Keep your second factors", button: "Cancel the request",
    text: "Nobody's second factors are removed, and the request ends.", done: "The request is canceled.",
  },
};

const at = (id) => document.getElementById(id);
const [name, token] = location.hash.slice(1).split("=", 2);
const purpose = Object.hasOwn(PURPOSES, name) ? PURPOSES[name] : null;
// Out of the history and the address bar at once.
history.replaceState(null, "", location.pathname);

function csrf() {
  const found = document.cookie.match(/(?:^|; )(?:__Host-)?csrf=([^;]+)/);
  return found ? { "X-CSRF-Token": found[1] } : {};
}

async function go(event) {
  event.preventDefault();
  const body = { token };
  if (name === "reset_password") body.new_password = at("password").value;
  at("go").disabled = true;
  at("message").textContent = "";
  try {
    const answer = await fetch(purpose.path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...csrf() },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      at("form").hidden = true;
      at("text").textContent = purpose.done;
      return;
    }
    at("message").textContent = (await answer.json()).detail;
  } catch {
    at("message").textContent = "The server did not answer. Try again in a moment.";
  }
  at("go").disabled = false;
}

if (purpose && token) {
  document.title = at("title").textContent = purpose.title;
  at("text").textContent = purpose.text;
  at("go").textContent = purpose.button;
  at("password-row").hidden = name !== "reset_password";
  at("password").required = name === "reset_password";
  at("form").hidden = false;
  at("form").addEventListener("submit", go);
} else {
  at("text").textContent = "This link is not whole. Copy it again from the mail, to its very end.";
}
