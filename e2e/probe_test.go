//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestProbe probes servers of this host. The box is on the network of the host.
func TestProbe(t *testing.T) {
	t.Parallel()
	b := newBox(t, onHost)
	var asked atomic.Int32
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/well":
		case "/third":
			if asked.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		default:
			http.Error(w, "no", http.StatusInternalServerError)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // a check whether anything listens would be logged as a failed handshake
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	silent := answering(t, func(c net.Conn) { _ = c.Close() }) // the error does not matter to the client
	deaf := answering(t, func(net.Conn) {})
	for _, test := range []struct {
		name, args, says string
		code             int
		took             time.Duration // at most, in addition to the time to run any program
	}{
		{"it is well", "http " + port(plain.URL) + " /well", "", 0, 0},
		{"it is well, by TLS", "https " + port(secure.URL) + " /well", "", 0, 0},
		{"it becomes well", "http " + port(plain.URL) + " /third", "", 0, 0},
		{"it is not", "http " + port(plain.URL) + " /ill", "http://127.0.0.1:" + port(plain.URL) + "/ill: 500 Internal Server Error\n", 1, 2 * time.Second},
		{"it is not, by TLS", "https " + port(secure.URL) + " /ill", "/ill: 500 Internal Server Error\n", 1, 2 * time.Second},
		{"nobody is there", "http " + closedPort(t) + " /", ": nothing listens on port ", 1, 2 * time.Second},
		{"nobody speaks TLS", "https " + port(plain.URL) + " /well", "/well: no answer\n", 1, 2 * time.Second},
		{"it hangs up", "http " + silent + " /", "/: no answer\n", 1, 2 * time.Second},
		{"it does not answer", "http " + deaf + " /", "/: no answer\n", 1, 5 * time.Second},
		{"it does not answer, by TLS", "https " + deaf + " /", "/: no answer\n", 1, 5 * time.Second},
	} {
		start := time.Now()
		r := b.sh(t, "mkube-probe "+test.args)
		took := time.Since(start)
		if r.code != test.code || !strings.Contains(r.stderr, test.says) || test.says == "" && r.stderr != "" {
			t.Errorf("%s: %s", test.name, r)
		}
		if test.took > 0 && (took < 1500*time.Millisecond || took > test.took+3*time.Second) {
			t.Errorf("%s: it takes %s to say so", test.name, took)
		}
	}
}

// port returns the port of a URL.
func port(url string) string { return url[strings.LastIndex(url, ":")+1:] }

// closedPort returns a port on which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return port(l.Addr().String())
}

// answering returns the port of a server that calls f with each connection.
func answering(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			f(c)
		}
	}()
	return port(l.Addr().String())
}

// corefile is the configuration of a DNS server that knows a name of each address family.
const corefile = `.:53 {
	template ANY ANY broken.test {
		rcode SERVFAIL
	}
	template ANY ANY nowhere.test {
		rcode NXDOMAIN
	}
	hosts {
		192.0.2.1 kubernetes.test
		2001:db8::1 six.test
	}
}
`

// TestResolve queries the image's own CoreDNS.
func TestResolve(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.write(t, map[string]string{"/Corefile": corefile})
	b.must(t, `sysctl -qw net.ipv6.conf.all.disable_ipv6=0
nohup $(ls /usr/share/mkube/containerd/*/snapshots/*/fs/coredns) -conf /Corefile >/coredns.log 2>&1 </dev/null &
for i in $(seq 100); do ! grep -q CoreDNS- /coredns.log || exit 0; sleep 0.1; done; cat /coredns.log; exit 1`)
	for _, test := range []struct {
		name, args, says string
		code             int
	}{
		// The length of a label of ten bytes is the byte of a newline.
		{"a name with an address", "127.0.0.1 kubernetes.test", "", 0},
		{"an IPv6 server is asked for an IPv6 address", "::1 six.test", "", 0},
		{"a name with an address of the other family", "127.0.0.1 six.test", "no address: response code 0", 1},
		{"and of the other", "::1 kubernetes.test", "no address: response code 0", 1},
		{"no such name", "127.0.0.1 nowhere.test", "no address: response code 3", 1},
		{"a server that fails", "127.0.0.1 broken.test", "no address: response code 2", 1},
		{"no server", "192.0.2.53 kubernetes.test", "no answer within 1s", 1},
	} {
		r := b.sh(t, "mkube-resolve "+test.args)
		if r.code != test.code || !strings.Contains(r.stderr, test.says) || test.says == "" && r.stderr != "" {
			t.Errorf("%s: %s", test.name, fmt.Sprint(r))
		}
	}
}
