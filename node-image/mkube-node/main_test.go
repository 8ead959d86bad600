package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestProbe(t *testing.T) {
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path == "/third" && asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	var out bytes.Buffer
	if code := probe([]string{"https", port, "/third"}, io.Discard, &out); code != 0 || asked != 3 || out.Len() > 0 {
		t.Errorf("exit code %d after %d requests: %s", code, asked, out.String())
	}
	server.Close()
	if code := probe([]string{"http", port, "/x"}, io.Discard, &out); code != 1 || out.String() != "http://127.0.0.1:"+port+"/x: nothing listens on port "+port+"\n" {
		t.Errorf("exit code %d: %s", code, out.String())
	}
	for _, args := range [][]string{nil, {"ftp", "1", "/"}, {"http", "1"}} {
		if code := probe(args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

// dnsServer answers each question with a code. To a question for kind, it adds an IPv4 address. If kind
// is CNAME, it adds an alias to each answer.
func dnsServer(t *testing.T, code dnsmessage.RCode, kind dnsmessage.Type) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil {
				continue
			}
			m.Response, m.RCode = true, code
			q := m.Questions[0]
			header := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}
			switch {
			case kind == dnsmessage.TypeCNAME:
				m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.CNAMEResource{CNAME: q.Name}}}
			case q.Type == kind && q.Name.String() == "web.test.":
				m.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestLookUp(t *testing.T) {
	for name, test := range map[string]struct {
		code dnsmessage.RCode
		kind dnsmessage.Type
		ask  string
		want string
	}{
		"an address":               {dnsmessage.RCodeSuccess, dnsmessage.TypeA, "web.test", ""},
		"an absolute name":         {dnsmessage.RCodeSuccess, dnsmessage.TypeA, "web.test.", ""},
		"only of the other family": {dnsmessage.RCodeSuccess, dnsmessage.TypeAAAA, "web.test", "no address: response code 0"},
		"only an alias":            {dnsmessage.RCodeSuccess, dnsmessage.TypeCNAME, "web.test", "no address: response code 0"},
		"no such name":             {dnsmessage.RCodeNameError, dnsmessage.TypeA, "x.test", "no address: response code 3"},
		"too long a label":         {0, 0, strings.Repeat("x", 64) + ".test", "segment length too long"},
	} {
		err := lookUp(dnsServer(t, test.code, test.kind), test.ask)
		if err == nil && test.want != "" || err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
	for _, args := range [][]string{{"10.0.0.1"}, {"localhost", "web"}} {
		if code := resolve(args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

func TestDNSRules(t *testing.T) {
	for routes, want := range map[string]string{
		"": "", "default via 10.0.0.1 dev eth0\n": "10.0.0.1", "default via 10.0.0.1 dev a\ndefault via 10.0.0.2 dev b\n": "10.0.0.1", "default\n": "",
	} {
		if got := gatewayOf(routes); got != want {
			t.Errorf("the gateway of %q is %q; want %q", routes, got, want)
		}
	}
	if got, ok := withServer("nameserver 127.0.0.110\n", "10.0.0.1"); ok || got != "nameserver 127.0.0.110\n" {
		t.Errorf("another server becomes %q, %t", got, ok)
	}
	if got, ok := withServer("search x\nnameserver 127.0.0.11\n", "10.0.0.1"); !ok || got != "search x\nnameserver 10.0.0.1\n" {
		t.Errorf("Docker's server becomes %q, %t", got, ok)
	}
	saved := "*nat\n:DOCKER_OUTPUT - [0:0]\n-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT\n-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:39753\nCOMMIT\n"
	const rest = " -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:39753\n"
	if got, want := openedRules(saved, "10.0.0.1"), "*nat\n-A PREROUTING -d 10.0.0.1/32"+rest+"-A OUTPUT -d 10.0.0.1/32"+rest+"COMMIT\n"; got != want {
		t.Errorf("the rules are\n%s\nwant\n%s", got, want)
	}
	if got := openedRules("*nat\nCOMMIT\n", "10.0.0.1"); got != "" {
		t.Errorf("without rules of Docker there are\n%s", got)
	}
}

func TestLimitedMeminfo(t *testing.T) {
	const host = "MemTotal:       24000000 kB\nMemFree:          100000 kB\nMemAvailable:   20000000 kB\nSwapTotal: 1 kB\n"
	for limit, want := range map[string]string{
		"max": host, "": host, "9223372036854771712": host,
		"1073741824": "MemTotal: 1048576 kB\nMemFree:          100000 kB\nMemAvailable: 1048576 kB\nSwapTotal: 1 kB\n",
	} {
		if got, changed := limitedMeminfo(host, limit); got != want || changed != (want != host) {
			t.Errorf("with a limit of %q it is\n%s\n%t; want\n%s", limit, got, changed, want)
		}
	}
}

func TestCPULimit(t *testing.T) {
	for max, want := range map[string][2]int{
		"max 100000": {}, "-1 100000": {}, "": {}, " ": {}, "x y": {}, "5 0": {},
		"100000 100000": {1, 0}, "50000 100000": {1, 500}, "150000 100000": {2, 500}, "200000 100000": {2, 0}, "33333 100000": {1, 667},
	} {
		if cpus, spare := cpuLimit(max); cpus != want[0] || spare != want[1] {
			t.Errorf("%q: %d CPUs, %dm too much; want %v", max, cpus, spare, want)
		}
	}
}

// TestHideCPUs checks that CPU 10 comes after CPU 9, and that files with other names remain.
func TestHideCPUs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"node0/cpu0", "node0/cpu9", "node0/cpu10", "node1/cpu1", "node0/cpumap", "online"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/nowhere", path); err != nil {
			t.Fatal(err)
		}
	}
	if err := hideCPUs(dir, 3); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(dir + "/node*/*")
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i] = strings.TrimPrefix(left[i], dir+"/")
	}
	if want := []string{"node0/cpu0", "node0/cpu9", "node0/cpumap", "node1/cpu1"}; !slices.Equal(left, want) {
		t.Errorf("%q are left; want %q", left, want)
	}
	if err := hideCPUs(dir, 9); err != nil {
		t.Errorf("with more CPUs than there are: %v", err)
	}
}

func TestGrants(t *testing.T) {
	for mask, want := range map[string]bool{"000001ffffffffff": true, "000001fffeffffff": false, "nonsense": false} {
		if got := grants("Name:\tx\nCapBnd:\t"+mask+"\n", sysResource); got != want {
			t.Errorf("%s grants it: %t; want %t", mask, got, want)
		}
	}
}
