"""Certificates for the tests of TLS, made by the `openssl` command: good ones, and one of each bad kind.

`Certificates(folder).server(KIND)` gives the certificate's file and its key's; each kind is made when first asked for.
"""

import datetime
import subprocess

# What a server certificate of ours is good for.
NAMES = "DNS:localhost,DNS:bus.test,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3,IP:10.77.0.2,IP:::1"

CONFIGURATION = """
[ca]
default_ca = tests
[tests]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
unique_subject = no
default_md = sha256
policy = anything
[anything]
commonName = supplied
[req]
distinguished_name = name
[name]
"""


def moment(days):
    """A time so many days from now, as `openssl ca` wants it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)).strftime("%Y%m%d%H%M%SZ")


class Certificates:
    def __init__(self, folder):
        self.folder = folder
        self.configuration = folder / "openssl.cnf"
        self.configuration.write_text(CONFIGURATION.format(folder=folder))
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        self.made = {}

    def openssl(self, *words):
        done = subprocess.run(["openssl", *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"openssl {words}: {done.stderr}"

    def files(self, name):
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def key_options(self, key):
        if key.startswith("rsa"):
            return ["-newkey", key]
        return ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{key}"]

    def authority(self, name):
        """A root of its own: the file of its certificate."""
        certificate, key = self.files(name)
        if not certificate.exists():
            self.openssl(
                "req", "-x509", *self.key_options("P-256"), "-nodes", "-days", 30, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout", key, "-out", certificate,
            )
        return certificate

    @property
    def root(self):
        """The authority that clients of these tests trust."""
        return self.authority("trusted")

    def issue(
        self, name, authority="trusted", subject="server", names=NAMES, days=(-1, 30), key="P-256", usage="serverAuth",
        is_authority=False,
    ):
        """A certificate of an authority, good from `days[0]` to `days[1]` from now."""
        certificate, key_file = self.files(name)
        if certificate.exists():
            return certificate, key_file
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lines = [f"basicConstraints=critical,CA:{str(is_authority).upper()}", f"extendedKeyUsage={usage}"]
        if names:
            lines.append(f"subjectAltName={names}")
        extensions.write_text("\n".join(lines) + "\n")
        self.openssl(
            "req", "-new", *self.key_options(key), "-nodes", "-subj", f"/CN={subject}", "-config", self.configuration,
            "-keyout", key_file, "-out", request,
        )
        issuer = self.authority(authority)
        self.openssl(
            "ca", "-batch", "-notext", "-config", self.configuration, "-cert", issuer,
            "-keyfile", issuer.with_suffix(".key"), "-in", request, "-out", certificate, "-extfile", extensions,
            "-startdate", moment(days[0]), "-enddate", moment(days[1]),
        )
        return certificate, key_file

    def self_signed(self, name):
        certificate, key = self.files(name)
        if not certificate.exists():
            self.openssl(
                "req", "-x509", *self.key_options("P-256"), "-nodes", "-days", 30, "-subj", "/CN=localhost",
                "-config", self.configuration, "-addext", "basicConstraints=critical,CA:FALSE",
                "-addext", f"subjectAltName={NAMES}", "-keyout", key, "-out", certificate,
            )
        return certificate, key

    def server(self, kind="good"):
        """Certificate and key of a server, of one of these kinds."""
        if kind == "self-signed":
            return self.self_signed(kind)
        return self.issue(kind, **{
            "good": {},
            "expired": {"days": (-20, -10)},
            "not-yet-valid": {"days": (10, 20)},
            "wrong-host": {"names": "DNS:elsewhere.example,IP:192.0.2.7"},
            "untrusted": {"authority": "stranger"},
            "cn-only": {"subject": "localhost", "names": None},
            "authority": {"is_authority": True},
            "weak-key": {"key": "rsa:1024"},
        }[kind])

    def client(self):
        return self.issue("client", subject="bus", names=None, usage="clientAuth")

    def lenient(self):
        """A configuration with which redis-server takes a weak key for its own."""
        file = self.folder / "lenient.cnf"
        file.write_text(
            "openssl_conf = main\n[main]\nssl_conf = ssl\n[ssl]\nsystem_default = lenient\n"
            "[lenient]\nCipherString = DEFAULT:@SECLEVEL=0\n"
        )
        return file
