"""What readers of README.md and the guide type where a page leaves something to them, and what they see."""

from tests.system.documentation.reader import FOR_SSH
from tests.system.documentation.reading import Told

TOLD: dict[str, Told] = {
    # README.md
    "ssh -N -L 7654:127.0.0.1:7654 root@server &": Told(
        instead=f"ssh -N {FOR_SSH} -i {{folder}}/.ssh/id_ed25519 -p {{sshd}} -L {{tunnel}}:{{api}} root@127.0.0.1 &",
        then="until (echo >/dev/tcp/127.0.0.1/{tunnel}) 2>/dev/null; do sleep 0.05; done",
    ),
    "README.md: git push hostess main": Told(
        says="release v1 of my-api", then='test "$(status my-api-api.localhost)" = 200'
    ),
    "hostess status": Told(says="shop"),
    "hostess doctor": Told(says="journal", codes=(0, 1)),
    "hostess deploy --project my-api": Told(
        before="sed -i 's/^    visibility/    env: {MORE: word}\\n&/' hostess.yml", says="release v2 of my-api"
    ),
    "hostess deployments list --project my-api": Told(says="v2"),
    "hostess services list --project my-api": Told(says=r"api\b"),
    "hostess secrets add NAME --project my-api": Told(typed="a secret of some length\n"),
    "hostess rollback --project my-api": Told(says="v1"),
    "hostess domains add shop.example.com api --project my-api": Told(
        then='test "$(status shop.example.com)" = 200; hostess domains remove shop.example.com -p my-api'
    ),
    "hostess host backup": Told(says="tar.zst.age"),
    "scripts/test tests/unit": Told(instead="cd {root} && scripts/test -q --collect-only tests/unit/cli/test_docs.py"),
    # access.md
    "curl --user me https://shop-board.apps.example.com": Told(
        instead="hostess tls root >root.pem; curl --fail --user me:{token} --cacert root.pem"
        " --resolve shop-board.localhost:{https}:127.0.0.1 https://shop-board.localhost:{https}",
        then='test "$(status shop-board.localhost)" = 401',
    ),
    "hostess tokens create guest --role viewer --project shop --expires-in 7d": Told(says="guest"),
    "hostess tokens revoke ID": Told(instead="hostess tokens revoke {token_id}", typed="yes\n"),
    "hostess keys add ci ci.pub --project shop": Told(before="ssh-keygen -q -t ed25519 -N '' -f ci"),
    "hostess keys add auditor auditor.pub --role viewer": Told(before="ssh-keygen -q -t ed25519 -N '' -f auditor"),
    "hostess keys list": Told(says="laptop[^\n]*SHA256:"),
    "hostess keys remove ID": Told(instead="hostess keys remove {key_id}", typed="yes\n"),
    "access.md: git push hostess main": Told(
        before="change; git config url.http://x@{api}/git/.insteadOf ssh://hostess@server/",
        says="release v",
    ),
    "hostess webhook set https://gitlab.com/me/shop.git -p shop -u deploy": Told(typed="a password\n"),
    "hostess webhook show": Told(says="gitlab.com/me/shop"),
    # api.md
    'tar -cz --exclude=.git . | curl -H "Authorization: Bearer $HOSTESS_TOKEN" -H "Content-Type: application/gzip" --data-binary @-'
    " http://127.0.0.1:7654/v1/projects/shop/environments/production/upload": Told(before="change", says='"state"'),
    'curl -H "Authorization: Bearer $HOSTESS_TOKEN" -H "Idempotency-Key: $(uuidgen)" --json \'{"name": "shop"}\''
    " http://127.0.0.1:7654/v1/projects": Told(says="shop", then="hostess projects info shop"),
    'curl -N -H "Authorization: Bearer $HOSTESS_TOKEN" -H "Accept: text/event-stream"'
    " http://127.0.0.1:7654/v1/deployments/3f9ac1/log": Told(
        instead='curl -N -H "Authorization: Bearer $HOSTESS_TOKEN" -H "Accept: text/event-stream"'
        " http://{api}/v1/deployments/{deployment}/log",
        says="event: end",
    ),
    # backups.md
    "hostess backups restore database ID": Told(
        before="hostess backups create database",
        instead="hostess backups restore database {backup} --force",
        says="Restored",
    ),
    "hostess backups create SERVICE": Told(instead="hostess backups create notes"),
    "hostess backups restore SERVICE [ID]": Told(
        before="echo kept | hostess services exec -T notes -- sh -c 'cat >/notes/one'; hostess backups create notes;"
        " hostess services exec -T notes -- rm /notes/one",
        instead="hostess backups restore notes --force",
        then='test "$(hostess services exec -T notes -- cat /notes/one)" = kept',
    ),
    # builds.md
    "hostess detect ./api --project shop > api/Dockerfile": Told(then="grep uvicorn api/Dockerfile"),
    "git push -o no-cache": Told(instead="git push -o no-cache hostess main", before="change", says="building web"),
    "hostess gc": Told(),
    # databases.md
    "hostess services upgrade database --version 18": Told(
        instead="hostess services upgrade database --version 17", typed="yes\n", says="17"
    ),
    "hostess services upgrade database --drop-old": Told(typed="yes\n"),
    "hostess services rotate database": Told(says="passwords"),
    "hostess connect database": Told(until="postgresql://"),
    "hostess connect database --database api": Told(until="postgresql://database__api"),
    "hostess connect shell database": Told(typed="SELECT 40 + 2;\n", says="42"),
    "hostess connect shell api -c 'python manage.py shell'": Told(
        instead="hostess connect shell api -c 'echo a shell'", says="a shell"
    ),
    # dns.md
    "hostess tls check shop.example.com": Told(codes=(1,), says="shop.example.com is not ready"),
    "hostess tls check HOST": Told(instead="hostess tls check shop.localhost", codes=(0, 1)),
    # lifecycle.md, migrating.md
    "hostess init --file docker-compose.yml": Told(
        instead="mkdir new && cd new && cp ../docker-compose.yml . && hostess init --file docker-compose.yml",
        then="cd new; hostess validate",
    ),
    "hostess validate": Told(says="hostess.yml"),
    "git push hostess branch:refs/deploy/production": Told(
        before="git switch -q -c branch; change",
        says="release v",
        then="git switch -q main; git push hostess main:refs/deploy/production",
    ),
    "hostess secrets add KEY": Told(typed="a value of some length\n"),
    "hostess services scale web=2": Told(says="web"),
    "hostess run SERVICE -- CMD": Told(instead="hostess run api -- print once", says="once"),
    "hostess services exec SERVICE -- CMD": Told(instead="hostess services exec api -- echo inside", says="inside"),
    "hostess logs SERVICE --follow": Told(instead="hostess logs api --follow", until="listens", codes=(130,)),
    "hostess rollback v12": Told(instead="hostess rollback v1", says="v1"),
    "hostess connect cache": Told(until="redis://"),
    "hostess connect SERVICE": Told(instead="hostess connect api", until="127.0.0.1"),
    "hostess connect shell SERVICE": Told(instead="hostess connect shell api -c 'echo a shell'", says="a shell"),
    # networking.md
    "iptables -t nat -S HOSTESS-INSTALLATION": Told(says="-A HOSTESS"),
    "iptables -S HOSTESS-INSTALLATION": Told(says="-A HOSTESS"),
    "iptables -t mangle -S HOSTESS-INSTALLATION": Told(says="-A HOSTESS"),
    # notifications.md
    "hostess notify test": Told(then="grep . {notices}"),
    # operations.md
    "hostess services restart SERVICE": Told(instead="hostess services restart web-next", says="web-next"),
    "hostess logs --previous": Told(instead="hostess logs web-next --previous"),
    "hostess usage api": Told(),
    # recovery.md
    "hostess host key host-key.txt": Told(then="grep AGE-SECRET-KEY host-key.txt"),
    "hostess host backup --output host.tar.zst.age": Told(then="test -s host.tar.zst.age"),
    "age -d -i host-key.txt host-ID.tar.zst.age | zstd -d | tar x": Told(
        instead="age -d -i {identity} host.tar.zst.age | zstd -d | tar x", then="ls hostess.db.0* manifest*"
    ),
    "HOSTESS_DATA_DIR=/tmp/rehearsal HOSTESS_API__LISTEN=127.0.0.1:0 HOSTESS_PROXY__HTTP=127.0.0.1:0 HOSTESS_PROXY__HTTPS="
    " hostess host recover host.tar.zst.age --identity host-key.txt": Told(
        instead="HOSTESS_DATA_DIR={folder}/rehearsal HOSTESS_API__LISTEN=127.0.0.1:0 HOSTESS_PROXY__HTTP=127.0.0.1:0"
        " HOSTESS_PROXY__HTTPS= hostess host recover host.tar.zst.age --identity {identity}",
        codes=(7,),
    ),
    # routing.md
    "hostess domains add shop.example.com web": Told(then='test "$(status shop.example.com)" = 200'),
    "hostess domains remove shop.example.com": Told(
        typed="yes\n",
        then='test "$(status shop.example.com)" = 404; echo yes | hostess domains remove staging.example.com',
    ),
    "hostess domains list": Told(says="staging.example.com"),
    "hostess maintenance on": Told(then='test "$(status shop-web.localhost)" = 503'),
    'hostess maintenance on api --message "Back at 9" --allow 203.0.113.7 -e staging': Told(
        before="mkdir -p small; sed -n '1,/^services/p;/^  board/,/^  notes/p' hostess.yml | sed '$d;s/board/api/;s/team/public/'"
        " >small/hostess.yml; hostess deploy -e staging --file small/hostess.yml",
    ),
    "hostess maintenance status": Told(says="root", then="hostess maintenance status -e staging | grep 'Back at 9'"),
    "hostess maintenance off": Told(
        then='test "$(status shop-web.localhost)" = 200; hostess maintenance off -e staging'
    ),
    "hostess pause api --seconds 60 --requests 500": Told(),
    "hostess resume api": Told(then='test "$(status shop-api.localhost)" = 200'),
    "git push -o canary=10 hostess main": Told(before="change", says="canary"),
    "hostess canary status": Told(says="10"),
    "hostess canary set 50": Told(then="hostess canary status | grep 50"),
    "hostess canary promote": Told(then="! hostess canary status | grep 50"),
    "git push -o canary=auto": Told(before="change", instead="git push -o canary=auto hostess main", says="canary"),
    "hostess canary start 5 --auto": Told(before="hostess canary stop; change"),
    "hostess canary set 30 --auto": Told(then="hostess canary stop"),
    "hostess secrets add ANN_PASSWORD": Told(typed="a value of some length\n"),
    'hostess lock -m "moving the data"': Told(then="hostess rollback && exit 1; hostess unlock"),
    # scaling.md
    "hostess services scale api=4": Told(then="hostess services scale api=1"),
    # tls.md
    # Other pages ask that host without HTTPS, which answers as long as nobody has a certificate for it.
    "hostess tls import --cert fullchain.pem --key privkey.pem": Told(
        before="certificate fullchain.pem privkey.pem", then="hostess tls remove shop.example.com --force"
    ),
    "pass show shop.key | hostess tls import --cert shop.pem --key - --host shop.example.com": Told(
        before="certificate shop.pem shop.key", then="hostess tls remove shop.example.com --force"
    ),
    "hostess tls root > hostess-root.pem": Told(then="openssl x509 -noout -in hostess-root.pem"),
    "curl --cacert hostess-root.pem https://shop-api.localhost": Told(
        instead="curl --fail --cacert hostess-root.pem --resolve shop-api.localhost:{https}:127.0.0.1"
        " https://shop-api.localhost:{https}"
    ),
}
