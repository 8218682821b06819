"""What readers of the page of the command line type: every command, with what its row leaves to them."""

from tests.system.documentation.reading import Told
from tests.system.documentation.told import TOLD

HERE = "https://localhost:{https}"
TOLD_OF_CLI: dict[str, Told] = TOLD | {
    "hostess COMMAND --help": Told(instead="hostess deploy --help", says="Usage: hostess deploy"),
    "hostess login --url https://hostess.example.com": Told(typed="{token}\n"),
    "git config --global credential.https://hostess.example.com.helper '!hostess git-credential'": Told(
        then=f"GIT_ASKPASS=false git ls-remote {HERE}/git/shop.git"
    ),
    "hostess projects list": Told(says="shop"),
    "hostess projects create NAME": Told(instead="hostess projects create books"),
    "hostess projects info [NAME]": Told(instead="hostess projects info", says="shop"),
    "hostess projects update NAME": Told(
        instead="hostess projects update books --description 'for readers'",
        then="hostess projects info books | grep 'for readers'",
    ),
    "hostess projects delete NAME": Told(
        instead="hostess projects delete books --force", then="! hostess projects info books"
    ),
    "hostess plan": Told(before="change", says=r"rebuild +web"),
    "hostess environments services NAME": Told(instead="hostess environments services production", says="web"),
    "hostess environments create NAME": Told(instead="hostess environments create try --branches 'try/*'"),
    "hostess environments ensure NAME": Told(instead="hostess environments ensure try"),
    "hostess environments update NAME": Told(instead="hostess environments update try --ephemeral --ttl 36h"),
    "hostess environments delete NAME": Told(
        instead="hostess environments delete try", typed="yes\n", then="! hostess environments list | grep try"
    ),
    "hostess deployments inspect [ID]": Told(instead="hostess deployments inspect", says="live"),
    "hostess deployments logs [ID]": Told(instead="hostess deployments logs", says="is live"),
    "hostess deployments cancel ID": Told(
        before="slow; (git push hostess main >pushed 2>&1 &); until grep -qs migrat pushed; do sleep 0.1; done",
        instead="hostess deployments cancel {deployment}",
        then="git reset --quiet --hard HEAD~1; ! grep 'is live' pushed",
    ),
    "hostess rollback [RELEASE]": Told(instead="hostess rollback", says="v1"),
    "hostess canary start PERCENT": Told(instead="hostess canary start 20", before="change", says="canary"),
    "hostess canary set PERCENT": Told(
        instead="hostess canary set 40 --header X-Canary=yes", then="hostess canary status | grep 40"
    ),
    "hostess domains add HOST SERVICE": Told(
        instead="hostess domains add books.example.com web", then='test "$(status books.example.com)" = 200'
    ),
    "hostess domains verify HOST": Told(instead="hostess domains verify books.example.com", codes=(1,), says="books"),
    "hostess domains update HOST": Told(instead="hostess domains update books.example.com --service web-next"),
    "hostess domains remove HOST": Told(
        instead="hostess domains remove books.example.com",
        typed="yes\n",
        then='test "$(status books.example.com)" = 404',
    ),
    "hostess unlock": Told(
        before="hostess lock -m moved; hostess status 2>&1 | grep moved", then="! hostess status 2>&1 | grep moved"
    ),
    "hostess maintenance on [SERVICE]": Told(
        instead="hostess maintenance on web", then='test "$(status shop-web.localhost)" = 503'
    ),
    "hostess maintenance off [SERVICE]": Told(
        instead="hostess maintenance off web", then='test "$(status shop-web.localhost)" = 200'
    ),
    "hostess pause [SERVICE]": Told(instead="hostess pause web", then="hostess maintenance status | grep pause"),
    "hostess resume [SERVICE]": Told(
        instead="hostess resume web",
        then='test "$(status shop-web.localhost)" = 200; ! hostess maintenance status | grep pause',
    ),
    "hostess services logs SERVICE...": Told(instead="hostess services logs web api --tail 5"),
    "hostess services exec SERVICE -- COMMAND": Told(instead="hostess services exec api -- echo inside", says="inside"),
    "hostess services restart [SERVICE]...": Told(instead="hostess services restart web-next", says="web-next"),
    "hostess services scale SERVICE=N...": Told(
        instead="hostess services scale web=2", then="hostess services list | grep 'web .*2'"
    ),
    "hostess services rotate SERVICE": Told(instead="hostess services rotate cache", says="passwords"),
    "hostess run SERVICE -- COMMAND...": Told(instead="hostess run api -- print once", says="once"),
    "hostess connect [to] SERVICE": Told(instead="hostess connect to cache", until="redis://"),
    "hostess jobs list": Told(says="report"),
    "hostess jobs inspect JOB": Told(instead="hostess jobs inspect report", says="report"),
    "hostess jobs runs JOB": Told(instead="hostess jobs runs report"),
    "hostess jobs run JOB -e ENV": Told(instead="hostess jobs run report -e production --follow", says="all is sold"),
    "hostess jobs logs JOB": Told(instead="hostess jobs logs report", says="all is sold"),
    "hostess backups verify SERVICE[/ID]": Told(
        before="hostess backups create database", instead="hostess backups verify database"
    ),
    "hostess backups download SERVICE[/ID]": Told(
        instead="hostess backups download database --output database.tar.zst", then="test -s database.tar.zst"
    ),
    "hostess backups delete SERVICE/ID": Told(instead="hostess backups delete database/{backup} --force"),
    "hostess host backups": Told(),
    "hostess host key FILE": Told(instead="hostess host key other-key.txt", says="age1"),
    "hostess secrets get [NAME]...": Told(
        before="echo plain-value | hostess secrets add PLAIN", instead="hostess secrets get"
    ),
    "hostess secrets edit NAME": Told(instead="hostess secrets edit PLAIN", typed="another value\n"),
    "hostess secrets set NAME": Told(
        instead="hostess secrets set PLAIN",
        typed="a third value\n",
        then="hostess secrets get PLAIN --show-values | grep third",
    ),
    "hostess secrets delete NAME": Told(
        instead="hostess secrets delete PLAIN --force", then="! hostess secrets get | grep PLAIN"
    ),
    "hostess secrets sync push -e ENV": Told(
        before="echo FROM_FILE=a-value >.env", instead="hostess secrets sync push -e staging"
    ),
    "hostess secrets sync pull -e ENV": Told(
        before="rm .env", instead="hostess secrets sync pull -e staging", then="grep FROM_FILE .env"
    ),
    "hostess secrets diff ENV ENV": Told(instead="hostess secrets diff production staging", says="FROM_FILE"),
    "hostess validate [FILE]": Told(instead="hostess validate hostess.yml", says="hostess.yml"),
    "hostess detect [FOLDER]": Told(instead="hostess detect api", says="uvicorn"),
    "hostess tls check DOMAIN": Told(instead="hostess tls check books.example.com", codes=(1,), says="not ready"),
    "hostess tls import --cert FILE --key FILE": Told(
        before="certificate own.pem own.key", instead="hostess tls import --cert own.pem --key own.key"
    ),
    "hostess tls remove NAME": Told(
        instead="hostess tls remove shop.example.com --force", then="! hostess tls list | grep imported"
    ),
    "hostess tokens create NAME": Told(instead="hostess tokens create reader --role viewer", says="reader"),
    "hostess keys add NAME [FILE]": Told(instead="hostess keys add home ~/.ssh/id_ed25519.pub", says="home"),
    "hostess webhook set REPOSITORY": Told(instead="hostess webhook set https://github.com/me/shop.git", says="secret"),
    "hostess logout": Told(before=f"echo {{token}} | hostess login --url {HERE}"),
    "hostess git-credential get": Told(
        before=f"echo {{token}} | hostess login --url {HERE}",
        typed="protocol=https\nhost=localhost:{https}\n\n",
        says="password={token}",
    ),
    "hostess usage [SERVICE]": Told(instead="hostess usage web"),
    "hostess completion bash": Told(says="complete"),
    "git push -o dry-run": Told(
        before="change", instead="git push -o dry-run hostess main", codes=(1,), says=r"rebuild +web"
    ),
    "openssl rand -hex 32 | hostess secrets add SESSION_KEY -p shop": Told(then="hostess secrets get SESSION_KEY"),
}
