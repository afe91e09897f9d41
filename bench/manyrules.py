"""Writes many rules as a large group of companies would: each with texts, an amount, a name and a key of its own.

Takes a folder and a count, leaves a configuration with rule files in it. Twenty of the rules look at `NAMED`, the
others at other event types. The same count writes the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

NAMED: Final = "transaction_confirmed"
NAMING: Final = 20
"""So many rules look at `NAMED`."""

ADMIN_TOKEN: Final = "bench-token-of-the-admin"

_CITIES: Final = ("Lyon", "Nantes", "Lille", "Rennes", "Dijon", "Brest", "Tours", "Nice", "Metz", "Caen", "Pau")
_TRADES: Final = ("Boulangerie", "Garage", "Imprimerie", "Menuiserie", "Pharmacie", "Librairie", "Brasserie")
_OTHER_TYPES: Final = (
    "transaction_authorized",
    "transaction_canceled",
    "transaction_rejected",
    "transaction_scheduled",
)

_CONFIG: Final = """\
server: {listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}
admin: {listen: "127.0.0.1:0", token: ADMIN_TOKEN}
store: sqlite:///store.db
workspaces:
  - name: acme
    tokens: [bench-token]
    api: {base_url: "http://127.0.0.1:9", thumbprint: bench, secret: bench, private_key: "${file:key.pem}"}
channels:
  finance-mail: {type: email, host: 127.0.0.1, port: 9, security: none, from: notify@example.com, to: [cfo@example.com]}
  treasury-slack: {type: slack, url: "http://127.0.0.1:9/slack"}
  erp: {type: http, url: "http://127.0.0.1:9/hook"}
rules: ["rules/*.yaml"]
"""

_CONDITIONS: Final = (
    'resource.direction == "credit" and (resource | amount) >= {amount} and resource.counterparty_name != "{who}"',
    'resource.currency == "EUR" and (resource | amount) > {amount} and "{key}" in (resource.reference | default(""))',
    'resource.local_iban[-4:] == "{four}" or (resource | amount) >= {amount}',
    'event.resource_id != "{key}" and resource.status not in ["draft-{number}", "canceled"]',
)

_MAIL: Final = """\
      - channel: finance-mail
        to: [desk-{number}@example.com, "{{{{ workspace.name }}}}@example.com"]
        subject: "{who}: {{{{ resource | money }}}} ({key})"
        text: |
          {{{{ resource.counterparty_name | default("somebody") }}}} moved {{{{ resource | money }}}}.
          That was on {{{{ event.date | datetime }}}}.
          {{% if (resource | amount) >= {amount} %}}Over {amount} €: {who} has to sign.{{% endif %}}
          File {key}, account {{{{ resource.local_iban | iban(mask=true) }}}}
"""

_SLACK: Final = """\
      - channel: treasury-slack
        when: (resource | amount) > {number}
        text: ":moneybag: {who} ({key}): {{{{ resource | money }}}} from {{{{ resource.counterparty_name }}}}"
"""

_HTTP: Final = """\
      - channel: erp
        json:
          ledger: "{key}"
          event: "{{{{ event.id }}}}"
          amount: "{{{{ (resource | amount) + {number} }}}}"
          label: "{who} / {{{{ event.event_type }}}} / {key}"
          reference: "{{{{ resource.reference | default('{key}') }}}}"
"""

_MESSAGES: Final = (_MAIL, _SLACK, _HTTP, _SLACK + _HTTP, _MAIL + _SLACK)


def write(folder: Path, *, count: int, files: int) -> Path:
    """Write so many rules over so many files, and return the path of their configuration."""
    from memonotify.standin.credentials import make_credentials

    (folder / "rules").mkdir(parents=True)
    (folder / "key.pem").write_text(make_credentials().private_key.reveal())
    path = folder / "config.yaml"
    path.write_text(_CONFIG.replace("ADMIN_TOKEN", ADMIN_TOKEN))
    for number in range(files):
        rules = "".join(_rule(at, count) for at in range(number, count, files))
        (folder / "rules" / f"{number:04}.yaml").write_text(f"rules:\n{rules}")
    return path


def _rule(number: int, count: int) -> str:
    # Spread, so that no file holds all of them.
    is_naming = number % (count // NAMING) == 0
    who = f"{_TRADES[number % len(_TRADES)]} {_CITIES[number % len(_CITIES)]} {number}"
    own = {
        "number": number,
        "key": f"K{number * 7919 % 1_000_003:07}",
        "amount": 1000 + number * 13,
        "four": f"{number:04}"[-4:],
        "who": who,
    }
    return (
        f"  - name: rule-{number:05}\n"
        f"    description: Movements of {who} that concern file {own['key']}\n"
        f"    match: {{event_type: {NAMED if is_naming else _OTHER_TYPES[number % len(_OTHER_TYPES)]}}}\n"
        f"    when: '{_CONDITIONS[number % len(_CONDITIONS)].format(**own)}'\n"
        "    notify:\n" + _MESSAGES[number % len(_MESSAGES)].format(**own)
    )
