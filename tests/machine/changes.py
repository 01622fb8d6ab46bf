"""What may happen to a process: in its code, its environment, its files, its stores, its tasks."""

from __future__ import annotations

from tests.machine import stage
from tests.machine.process import Client, Process, Settings, meant
from tests.machine.script import Entry, Named, NamedClient, Picker, Script, Spot
from tests.machine.world import DENIED, NO_KEYS, REVOKED, UNAVAILABLE, VARIABLE

FAILURES = {
    "not found": "CredentialNotFoundError('none')",
    "unavailable": "CredentialStoreUnavailableError('down')",
    "denied": "CredentialDeniedError('no')",
    "revoked": "CredentialRevokedError('gone')",
}
ORIGINS = {  # of keys: the line that gives one, and where the oracle has it
    "code": ("vectorshift.api_key = {!r}", "", "api_key"),
    "tenant": ("functions['f'] = {!r}", "functions", "f"),
    "key": ("Path('key').write_text({!r})", "files", "key"),
    "one": ("one.put({!r})", "stores", "one"),
    "two": ("two.put({!r})", "stores", "two"),
    "env": (f"os.environ[{VARIABLE!r}] = {{!r}}", "environ", VARIABLE),
    "other": ("os.environ['TENANT_KEY'] = {!r}", "environ", "TENANT_KEY"),
}
GONE = {
    "code": "del vectorshift.api_key",
    **{name: f"{name}.remove()" for name in ("one", "two")},
    **{name: f"os.environ.pop({ORIGINS[name][2]!r}, None)" for name in ("env", "other")},
}


class Changes(Script):
    """Each method picks what changes."""

    def nothing(self, pick: Picker) -> None:
        """Call again."""

    # --- Keys ---------------------------------------------------------------------------------

    def put(self, line: str, where: str, at: str, value: str | None) -> None:
        """Do a line that changes one thing of the world."""

        def model() -> None:
            (getattr(self.world, where) if where else vars(self.world))[at] = value

        self.change(line, model)

    def give(self, origin: str, value: str | None, text: str = "") -> None:
        """Let a source have another key, or none."""
        form, where, at = ORIGINS[origin]
        gone = value is None and not text
        line = GONE[origin] if gone else form.replace("{!r}", text or repr(value))
        if origin == "code" and value is not None and self.process.requires_using(self.world):
            self.rejected(line, "CredentialConfigurationError")
        else:
            self.put(line, where, at, value)

    def assign(self, pick: Picker) -> None:
        kind = pick.of((*["key", "None", "del"] * 2, "None", "function", "bad", "blank"))
        form, bad, key = pick.of(("function", "afunction")), pick.of(NO_KEYS), self.key("code")
        texts = {"None": "None", "function": f"{form}('f')"}
        values = {"None": None, "del": None, "function": "f", "bad": bad, "blank": ""}
        self.give("code", values.get(kind, key), texts.get(kind, ""))

    def result(self, pick: Picker) -> None:
        """Change what the functions give."""
        kind = pick.of((*["key"] * 5, "None", "not found", "unavailable", "bad"))
        values = {"key": self.key("tenant"), "None": None, "bad": pick.of(NO_KEYS)}
        text = "None" if kind == "None" else FAILURES.get(kind, "")
        self.give("tenant", values.get(kind, kind), text)

    # --- Environment, files, stores, time -----------------------------------------------------

    def variable(self, pick: Picker) -> None:
        origin = pick.of(("env", "env", "other"))
        kind = pick.of((*["key"] * 8, *["gone"] * 5, "blank", "bad"))
        values = {"gone": None, "blank": " ", "bad": pick.of(NO_KEYS)}
        self.give(origin, values.get(kind, self.key(origin)))

    def setting(self, pick: Picker) -> None:
        """Change a setting of the environment. It counts when settings are next read."""
        name, values = pick.of(ENVIRONMENT)
        value = pick.of(values)
        if value in ("key", "named.env") and pick.of((True, True, True, False)):
            key = self.key(value)
            self._write(value, key if value == "key" else f"{VARIABLE}={key}\n")
        variable = f"VECTORSHIFT_{name}"
        line = f"os.environ[{variable!r}] = {value!r}"
        line = f"os.environ.pop({variable!r}, None)" if value is None else line
        self.put(line, "environ", variable, value)
        if name in ("ENV_FILE", "REQUIRE_USING") or pick.of((False, True)):
            self.reset(pick)

    def file(self, pick: Picker) -> None:
        name = pick.of(("key", ".env", "named.env"))
        kinds = (*["key"] * 9, *["gone"] * 3, "empty", "bad", "none", "mistyped", "address", "two")
        kind, key = pick.of(kinds), self.key(name.strip("."))
        if kind == "gone":
            self.do(f"Path({name!r}).unlink(missing_ok=True)")
            self.world.files.pop(name, None)
        elif name == "key":
            self._write(name, {"empty": " \n", "bad": pick.of(NO_KEYS)}.get(kind, key))
        else:
            address = f"VECTORSHIFT_BASE_URL={stage.api.url}\n" if name == ".env" else ""
            line = f"{VARIABLE}={key}\n"
            texts = {
                "empty": f"{VARIABLE}=\n",
                "bad": f"{VARIABLE}={pick.of(NO_KEYS)}\n",
                "none": "OTHER=1\n",
                "mistyped": f"{VARIABLE}: {key}\n",
                "address": line + address,
                "two": f"{line}{VARIABLE}=vs-other\n",
            }
            self._write(name, texts.get(kind, line))

    def _write(self, name: str, text: str) -> None:
        self.do(f"Path({name!r}).write_text({text!r})")
        self.world.files[name] = text

    def store(self, pick: Picker) -> None:
        name = pick.of(("one", "two"))
        kinds = ("down", "remove", "deny", "revoke", "down", "remove", "bad")
        kind = pick.of((*["put"] * 6, *["recover"] * 5, *kinds))
        if kind in ("put", "bad", "remove"):
            values = {"bad": pick.of(NO_KEYS), "remove": None}
            self.give(name, values.get(kind, self.key(name)))
        elif kind == "recover":
            self.put(f"{name}.recover()", "broken", name, "")
        else:
            word = {"down": UNAVAILABLE, "deny": DENIED, "revoke": REVOKED}[kind]
            self.put(f"{name}.fail({FAILURES[word]})", "broken", name, word)

    def time(self, pick: Picker) -> None:
        seconds = pick.of((61, 400, 61, 400, 90_000))
        self.do(f"advance({seconds})")
        self.world.now += seconds

    # --- The API ------------------------------------------------------------------------------

    def reject(self, pick: Picker) -> None:
        """Let the API reject a key, or take all of them again."""
        recent = [*self.told[:1], *self.told[:1], *self.keys[-4:]]
        if recent and pick.of((True, True, False)):
            self._reject(pick.of(recent))
        else:
            self.do("api.rejected.clear()")
            self.world.rejected.clear()

    def _reject(self, key: str) -> None:
        self.do(f"api.rejected.add({key!r})")
        self.world.rejected.add(key)

    def busy(self, pick: Picker) -> None:
        """Let the API answer the next request with 503."""
        self.do("api.failing = 1")
        self.failing = True

    def rotate(self, pick: Picker) -> None:
        """Let the API reject the last key whose source has another, now or within the request."""
        old = (self.told or [""])[0]
        origin = old[3:].rpartition("-")[0] if old.startswith("vs-") else ""
        if origin in ORIGINS and self.pending is None:
            self._reject(old)
            self.deferring = pick.of((True, True, False))
            self.give(origin, self.key(origin))
            self.deferring = False

    def vanish(self, pick: Picker) -> None:
        """Take the key of the last call away from where it came from."""
        origin = (self.told or [""])[0][3:].rpartition("-")[0]
        if origin in GONE:
            self.give(origin, None)

    def meanwhile(self, pick: Picker) -> None:
        """Change something while the next request is under way, often one that comes to nothing."""
        if self.pending is not None:
            return
        answer = pick.of(("401", "503", "200"))
        if answer == "401" and self.told:
            self._reject(self.told[0])
        elif answer == "503":
            self.busy(pick)
        happens = pick.of(("vanish", "assign", "variable", "store", "configure", "reset"))
        self.deferring = True
        getattr(self, happens)(pick)
        self.deferring = False

    # --- The process --------------------------------------------------------------------------

    def source(self, pick: Picker) -> Named:
        """Return credentials: some that are there already, or new ones."""
        if self.sources and pick.of((False, False, True)):
            used: Named = pick.of(self.sources)
            return used
        text = pick.of(SOURCES).replace("{key}", repr(self.key("given")))
        new = Named(self.name("s"), meant(text))
        self.do(f"{new.name} = {text}")
        self.sources.append(new)
        return new

    def configure(self, pick: Picker) -> None:
        given = self.source(pick)

        def model() -> None:
            self.process.credentials, self.process.made = given.source, None

        self.change(f"vectorshift.configure(credentials={given.name})", model)

    def configure_settings(self, pick: Picker) -> None:
        text = pick.of(SETTINGS)
        self.do(f"vectorshift.configure(settings=Settings(base_url=api.url, {text}))")
        self.process.settings, self.process.made = meant(f"Settings({text})"), None

    def configure_client(self, pick: Picker) -> None:
        mine = [each for each in self.clients if each.kind in ("sync", "async")]
        if mine:
            name, client, kind = pick.of(mine)
            self.do(f"vectorshift.configure(client={name})")
            self.process.clients[kind] = client

    def mistake(self, pick: Picker) -> None:
        """Give what is refused at once: None, or another word than stop and continue."""
        how, word = pick.of(("on_error", "on_missing")), pick.of(("Stop", "", True, None))
        wrong = f"ProviderChain([EnvProvider(), one.provider({how}={word!r})])"
        self.rejected(*pick.of([*((each, "TypeError") for each in NONE), (wrong, "ValueError")]))

    def require_using(self, pick: Picker) -> None:
        on = pick.of((True, False))
        self.do(f"vectorshift.configure(require_using={on})")
        self.process.require_using = on
        self.process.made = None

    def reset(self, pick: Picker) -> None:
        def model() -> None:
            self.process = Process()
            self.world.late.clear()
            self.world.resets += 1

        self.change("vectorshift.reset()", model)

    def close(self, pick: Picker) -> None:
        """Close a client. What is closed opens again at the next call."""
        mine = [each.name for each in self.clients if each.kind == "sync"]
        self.do(f"{pick.of(['vectorshift', *mine])}.close()")

    def client(self, pick: Picker) -> None:
        if len(self.clients) >= 8:
            return
        name, kind = self.name("c"), pick.of(("sync", "async", "sync", "async", "get", "aget"))
        how = "base_url=api.url, clock=waits, max_retries=1"
        cls = {"sync": "VectorShift", "async": "AsyncVectorShift"}.get(kind)
        if cls and pick.of((True, False)):
            own = None
            if pick.of((False, False, False, True)):  # its chain has no files
                names = pick.of((("env", "one"), ("two", "one", "env")))
                how = how.replace(
                    "base_url=api.url", f"settings=Settings(base_url=api.url, providers={names})"
                )
                own = Process(Settings(names))
            self.do(f"{name} = {cls}({how})")
            self.clients.append(NamedClient(name, Client(None, 1, own), kind))
            return
        given = self.source(pick)
        if cls:
            client = Client(given.source, 1)
            if pick.of((False, False, True)):
                http = {"sync": "httpx.Client", "async": "httpx.AsyncClient"}[kind]
                how, client.owner = f"{how}, http_client=handed({http}(verify=False))", ""
            self.do(f"{name} = {cls}({given.name}, {how})")
        else:
            cls = "httpx.Client" if kind == "get" else "httpx.AsyncClient"
            auth = f"CredentialAuth({given.name}, origin=api.url)"
            self.do(f"{name} = {cls}(auth={auth}, verify=False)")
            client = Client(given.source, 0, Process(Settings()), "")  # it reads no settings
        self.clients.append(NamedClient(name, client, kind))

    # --- Blocks and places --------------------------------------------------------------------

    def enter(self, pick: Picker) -> None:
        place: Spot = pick.of(self.places)
        if len(place.stack) >= 5:
            return
        if self.blocks and pick.of((False, False, True)):
            block = pick.of(self.blocks)
            self.do(f"{place.name}.run({block.name}.__enter__)")
        else:
            given = self.source(pick)
            block = Named(self.name("b"), given.source)
            self.do(f"{block.name} = using({given.name})")
            if pick.of((True, True, False)):
                self.blocks.append(block)
                self.do(f"{place.name}.run({block.name}.__enter__)")
            else:
                name = self.generators[place, block.name] = self.name("g")
                self.do(f"{name} = begun({block.name})")
                self.do(f"{place.name}.run(lambda: next({name}))")
        place.stack.append(Entry(block))
        self.entries.append(place.stack[-1])

    def leave(self, pick: Picker) -> None:
        """Leave a block, mostly in the place where it was entered."""
        place: Spot = pick.of(self.places)
        known = [*(each.block for each in place.stack[::-1]), *self.blocks]
        if known:
            block = known[0] if pick.of((True, True, False)) else pick.of(known)
            if block in known[: len(place.stack)]:
                self.leave_here(place, block)
            else:
                ends = f"lambda: {block.name}.__exit__(None, None, None)"
                self.rejected(f"{place.name}.run({ends})", "RuntimeError")
                entered = [each for each in self.entries if each.block == block and not each.left]
                if len(entered) == 1:  # of several, nobody knows which one was meant
                    entered[0].left_elsewhere = True

    def leave_here(self, place: Spot, block: Named) -> None:
        generator = self.generators.pop((place, block.name), None)
        ends = f"{generator}.close" if generator else f"lambda: {block.name}.__exit__(*[None] * 3)"
        self.do(f"{place.name}.run({ends})")
        entry = [each for each in place.stack if each.block == block][-1]
        place.stack.remove(entry)
        entry.left = True

    def place(self, pick: Picker) -> None:
        """Begin a task, a thread, or what is given a copy of the context."""
        if len(self.places) < 5:
            kind = pick.of(("Task", "Copied", "Worker"))
            able = [each for each in self.places if "Worker" not in (kind, each.kind)]
            parent: Spot = pick.of(able or self.places[:1])
            name = self.name("p")
            self.do(f"{name} = {parent.name}.run({kind})")
            seen = [] if kind == "Worker" else [*parent.stack]
            self.places.append(Spot(name, kind, seen))


NONE = [
    *(f"vectorshift.configure({each}=None)" for each in ("credentials", "settings", "client")),
    *("using(None)", "ExplicitProvider(None)", "CachingProvider(None)", "ProviderChain([None])"),
    *("VectorShift(None)", "AsyncVectorShift(credentials=None)"),
    *("CredentialAuth(None, origin=api.url)", "httpx2_auth(None, origin=api.url)"),
]

ENVIRONMENT: list[tuple[str, tuple[str | None, ...]]] = [
    ("API_KEY_FILE", (None, None, "key")),
    ("ENV_FILE", (None, None, "named.env", "")),
    (
        "PROVIDERS",
        (
            *(None, "default,one", "one,default", "default,one,two", "two,env,one", "dotenv,env"),
            *("default,one", "one,default", "two,one,env", "env", "default,env", "nosuch"),
        ),
    ),
    ("ONE_ON_ERROR", (None, "continue", "stop", "Stop")),
    ("ONE_ON_MISSING", (None, "stop", "continue")),
    ("TWO_ON_ERROR", (None, "continue")),
    ("REQUIRE_USING", (None, None, "1")),
]

SETTINGS = [
    "",
    "providers=('env', 'one')",
    "providers=('one', 'two', 'env')",
    "providers=('one', 'two'), plugins={'one': {'on_error': 'continue'}}",
    "api_key_file='key'",
    "env_file='named.env'",
    "env_file=''",
]

SOURCES = [
    *["{key}"] * 6,
    *map(repr, NO_KEYS[:2]),
    "function('f')",
    "afunction('f')",
    "EnvProvider()",
    "EnvProvider('TENANT_KEY')",
    "ProviderChain([EnvProvider(file='key', **timed)], clock=clock)",
    "DotenvProvider(**timed)",
    "DotenvProvider('named.env', **timed)",
    "one.provider('one')",
    "two.provider('two', on_missing='stop')",
    "two.provider('two', remote=False)",
    "cached(one)",
    "cached(two)",
    "cached(one, on_missing='stop')",
    "cached(one, on_error='continue')",
    "ProviderChain([cached(one, on_error='continue'), EnvProvider('TENANT_KEY')])",
    "ProviderChain([cached(one, on_missing='stop'), cached(two)])",
    "ProviderChain([cached(one, on_error='continue', on_missing='stop'), cached(two)])",
    "ProviderChain([EnvProvider(file='key', **timed), DotenvProvider(**timed), cached(one),"
    " cached(two)], clock=clock)",
    "ProviderChain([EnvProvider('TENANT_KEY'), DotenvProvider(**timed), cached(two)])",
    "ProviderChain([DotenvProvider(**timed), EnvProvider(), two.provider('two', remote=False)])",
    "ProviderChain([ProviderChain([cached(one), EnvProvider()]), cached(two, on_error='continue'),"
    " EnvProvider('TENANT_KEY')])",
]
