package external_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/external"
)

// scripted returns a provider that runs a shell script, and the folder of that script, which is
// $DIR in the script. The cluster "blue" has its folder.
func scripted(t *testing.T, script string) (p *external.Provider, dir string) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "mkube-provider-test")
	writeProgram(t, file, "#!/bin/sh\nDIR="+dir+"\n"+script+"\n")
	if err := os.MkdirAll(filepath.Join(dir, "clusters", "blue"), 0o755); err != nil {
		t.Fatal(err)
	}
	return external.New(file, filepath.Join(dir, "clusters")), dir
}

// soon returns the result of a call that must end within a time limit.
func soon(t *testing.T, limit time.Duration, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Fatalf("the call has not ended after %s", limit)
		return nil
	}
}

// exists waits for a file. 10 s is far above the time that a script needs.
func exists(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			return
		}
	}
	t.Fatalf("%s does not exist after 10 s", file)
}

// ended waits for the end of a process. The file contains its number.
func ended(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	t.Errorf("process %d of %s still runs", pid, filepath.Base(file))
}

// TestPrograms runs programs that end in every wrong way.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want string }{
		"reports an error":          {`read x; echo '{"error":"no room: end something"}'`, "no room: end something"},
		"reports two errors":        {`read x; printf '%s\n' '{"error":"no\nroom"}'; echo '{"error":"no light"}'`, "no room\nmkube-provider-test: nodes: no light"},
		"reports an error and code": {`read x; echo '{"error":"no room"}'; echo stderr >&2; exit 3`, "no room"},
		"reports, then garbage":     {`read x; echo '{"error":"no room"}'; echo garbage`, "no room"},
		"fails":                     {`read x; echo out of order >&2; exit 3`, "exit status 3: out of order"},
		"fails in silence":          {`read x; exit 3`, "exit status 3"},
		"is killed":                 {`read x; kill -9 $$`, "signal: killed"},
		"is no provider":            {`read x; echo hello`, "reading its replies: invalid character 'h' looking for beginning of value"},
		"writes binary":             {`read x; printf '\000\377\376'`, `reading its replies: invalid character '\x00' looking for beginning of value`},
		"ends within a reply":       {`read x; printf '{"nodes":['`, "its last reply is incomplete"},
		"replies with another type": {`read x; echo '{"nodes":"none"}'`, "reading its replies: json: cannot unmarshal string into Go struct field Reply.nodes of type []external.Node"},
		"writes a giant line":       {`read x; head -c 17000000 /dev/zero | tr '\0' ' '; sleep 20`, "reading its replies: a reply is longer than 16 MiB"},
		"writes a giant string":     {`read x; printf '{"x":"'; tr '\0' x </dev/zero`, "reading its replies: a reply is longer than 16 MiB"},
		"replies twice":             {`read x; echo '{"nodes":[]}{"nodes":[]}'`, "it named its nodes twice"},
		"reads nothing":             {`exit 0`, ""},
		"replies what is unknown":   {`read x; echo '{"new":"field"}'`, ""},
		"closes its output early":   {`read x; exec >&- 2>&-; sleep 0.1`, ""},
		"leaves a child":            {`read x; sleep 20 & exit 0`, ""},
		"leaves a writing child":    {`read x; (while :; do echo '{}'; echo noise >&2; done) & echo $! >$DIR/child; exit 0`, ""},
		"fails and leaves a child":  {`read x; sleep 20 & echo why >&2; exit 3`, "exit status 3: why"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dir := scripted(t, tt.script)
			err := soon(t, 8*time.Second, func() error { _, err := p.Nodes(t.Context(), "blue"); return err })
			got, want := fmt.Sprint(err), "<nil>"
			if tt.want != "" {
				want = "mkube-provider-test: nodes: " + tt.want
			}
			if got != want {
				t.Errorf("Nodes = %s; want %s", got, want)
			}
			if child, err := os.ReadFile(filepath.Join(dir, "child")); err == nil {
				var pid int
				if _, err := fmt.Sscan(string(child), &pid); err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
					t.Errorf("a child that a program leaves at its regular end must live on: %s, %v", child, err)
				}
			}
		})
	}
}

// TestStderrIsBounded checks that only the end of a program's standard error is kept.
func TestStderrIsBounded(t *testing.T) {
	t.Parallel()
	p, _ := scripted(t, `read x; yes noise | head -c 3000000 >&2; echo the reason >&2; exit 3`)
	_, err := p.Nodes(t.Context(), "blue")
	if text := fmt.Sprint(err); len(text) > 5000 || !strings.HasPrefix(text, "mkube-provider-test: nodes: exit status 3: ") || !strings.HasSuffix(text, "\nthe reason") {
		t.Errorf("Nodes = %d bytes of error: %.300s", len(text), text)
	}
}

// TestReplies runs programs that reply in the right form with invalid values.
func TestReplies(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script string
		call   func(context.Context, *external.Provider) error
		want   string
	}{
		"no endpoint":              {`true`, endpoint, "endpoint: it ended without an endpoint"},
		"no host:port":             {`echo '{"endpoint":"10.0.0.2"}'`, endpoint, `endpoint: its endpoint "10.0.0.2" is not host:port`},
		"a URL":                    {`echo '{"endpoint":"https://10.0.0.2:6443"}'`, endpoint, `endpoint: its endpoint "https://10.0.0.2:6443" is not host:port`},
		"port 0":                   {`echo '{"endpoint":"10.0.0.2:0"}'`, endpoint, `endpoint: its endpoint "10.0.0.2:0" has no port between 1 and 65535`},
		"port 65536":               {`echo '{"endpoint":"10.0.0.2:65536"}'`, endpoint, `endpoint: its endpoint "10.0.0.2:65536" has no port between 1 and 65535`},
		"port by name":             {`echo '{"endpoint":"10.0.0.2:https"}'`, endpoint, `endpoint: its endpoint "10.0.0.2:https" has no port between 1 and 65535`},
		"no host":                  {`echo '{"endpoint":":6443"}'`, endpoint, `endpoint: its endpoint ":6443" has no valid host`},
		"a host with a space":      {`echo '{"endpoint":"a b:6443"}'`, endpoint, `endpoint: its endpoint "a b:6443" has no valid host`},
		"an unspecified host":      {`echo '{"endpoint":"0.0.0.0:6443"}'`, endpoint, `endpoint: its endpoint "0.0.0.0:6443" is not an address to connect to`},
		"an endpoint":              {`echo '{"endpoint":"host.example:6443"}'`, endpoint, ""},
		"an endpoint in IPv6":      {`echo '{"endpoint":"[fd00::2]:6443"}'`, endpoint, ""},
		"no exit code":             {`echo '{"stdout":"eA=="}'`, run, "run: it ended without an exit code"},
		"a negative exit code":     {`echo '{"exit":-1}'`, run, "run: its exit code -1 is not between 0 and 255"},
		"an exit code of 256":      {`echo '{"exit":256}'`, run, "run: its exit code 256 is not between 0 and 255"},
		"output that is no base64": {`echo '{"stdout":"x y"}'`, run, "run: reading its replies: illegal base64 data at input byte 1"},
		"an error and an exit":     {`echo '{"exit":0}'; echo '{"error":"lost"}'`, run, "run: lost"},
		"an exit and a failure":    {`echo '{"exit":0}'; exit 1`, run, "run: exit status 1"},
		"an exit":                  {`echo '{"exit":0}'`, run, ""},
		"two check errors":         {`echo '{"error":"a"}{"error":"b"}'`, check, "check: a\nmkube-provider-test: check: b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := scripted(t, `read -r line
case $line in *'"method":"nodes"'*) echo '{"nodes":[{"name":"blue","role":"control-plane","addresses":["10.0.0.2"]}]}'; exit; esac
`+tt.script)
			err := tt.call(t.Context(), p)
			if tt.want == "" && err != nil || tt.want != "" && !strings.HasSuffix(fmt.Sprint(err), "mkube-provider-test: "+tt.want) {
				t.Errorf("it ends with %v; want %s", err, tt.want)
			}
		})
	}
}

func node(ctx context.Context, p *external.Provider) (provider.Node, error) {
	nodes, err := p.Nodes(ctx, "blue")
	if err != nil || len(nodes) != 1 {
		return nil, fmt.Errorf("nodes are %v, %w", nodes, err)
	}
	return nodes[0], nil
}

func endpoint(ctx context.Context, p *external.Provider) error {
	n, err := node(ctx, p)
	if err == nil {
		_, err = n.Endpoint(ctx, 6443)
	}
	return err
}

func run(ctx context.Context, p *external.Provider) error {
	n, err := node(ctx, p)
	if err == nil {
		err = n.Run(ctx, provider.Cmd{Args: []string{"true"}})
	}
	return err
}

func check(ctx context.Context, p *external.Provider) error {
	var errs []error
	for _, problem := range p.Check(ctx, config.Cluster{Name: "blue"}.Default()) {
		errs = append(errs, problem.Err)
	}
	return errors.Join(errs...)
}

const versions = `"versions":{"kubernetes":"v1","etcd":"v1","coreDNS":"v1","pause":"v1","localPath":"v1","metricsServer":"v1"}`

// TestNodesAreValidated runs programs that name other nodes than the requested ones: a control
// plane and a worker.
func TestNodesAreValidated(t *testing.T) {
	t.Parallel()
	node := func(name, role, addresses string) string {
		return fmt.Sprintf(`{"name":%q,"role":%q,"addresses":[%s],%s}`, name, role, addresses, versions)
	}
	control, worker := node("red-control-plane", "control-plane", `"10.0.0.2"`), node("red-worker", "worker", `"10.0.0.3"`)
	for name, tt := range map[string]struct{ nodes, want string }{
		"right":             {control + "," + worker, ""},
		"in another order":  {worker + "," + control, ""},
		"none":              {"", `node "red-control-plane" is missing|node "red-worker" is missing`},
		"one is missing":    {control, `node "red-worker" is missing`},
		"one too many":      {control + "," + worker + "," + node("red-worker2", "worker", `"10.0.0.4"`), `node "red-worker2" was not requested`},
		"another name":      {control + "," + node("worker", "worker", `"10.0.0.3"`), `node "red-worker" is missing|node "worker" was not requested`},
		"no name":           {control + "," + node("", "worker", `"10.0.0.3"`), `a node has the invalid name ""|node "red-worker" is missing|node "" was not requested`},
		"one twice":         {control + "," + worker + "," + worker, `node "red-worker" is listed twice`},
		"another role":      {control + "," + node("red-worker", "control-plane", `"10.0.0.3"`), `node "red-worker" has the role "control-plane" instead of "worker"`},
		"an unknown role":   {control + "," + node("red-worker", "boss", `"10.0.0.3"`), `node "red-worker" has the unknown role "boss"|node "red-worker" has the role "boss" instead of "worker"`},
		"no address":        {control + "," + node("red-worker", "worker", ``), `node "red-worker" has no address`},
		"an empty address":  {control + "," + node("red-worker", "worker", `""`), `node "red-worker" has an empty address|node "red-worker" has addresses of IPv6 instead of IPv4`},
		"no such address":   {control + "," + node("red-worker", "worker", `"10.0.0.300"`), `reading its replies: ParseAddr("10.0.0.300"): IPv4 field has value >255`},
		"loopback":          {control + "," + node("red-worker", "worker", `"127.0.0.1"`), `node "red-worker" has the address 127.0.0.1, at which no other node reaches it`},
		"unspecified":       {control + "," + node("red-worker", "worker", `"0.0.0.0"`), `node "red-worker" has the address 0.0.0.0, at which no other node reaches it`},
		"the same address":  {control + "," + node("red-worker", "worker", `"10.0.0.2"`), `nodes "red-control-plane" and "red-worker" both have the address 10.0.0.2`},
		"another family":    {control + "," + node("red-worker", "worker", `"fd00::3"`), `node "red-worker" has addresses of IPv6 instead of IPv4`},
		"a family too many": {control + "," + node("red-worker", "worker", `"10.0.0.3","fd00::3"`), `node "red-worker" has addresses of IPv4, IPv6 instead of IPv4`},
		"no versions":       {control + `,{"name":"red-worker","role":"worker","addresses":["10.0.0.3"],"versions":{"kubernetes":"v1"}}`, `node "red-worker" has no version of etcd, coreDNS, pause, localPath, metricsServer`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := scripted(t, "read x\necho '{\"nodes\":["+tt.nodes+"]}'\nread x || exit 1")
			cfg := config.Cluster{Name: "red", Nodes: []config.Node{{}, {Role: config.Worker}}}.Default()
			nodes, err := p.Create(t.Context(), cfg, "", noSeed)
			var want []string
			for text := range strings.SplitSeq(tt.want, "|") {
				want = append(want, "mkube-provider-test: create: "+text)
			}
			if tt.want != "" && fmt.Sprint(err) != strings.Join(want, "\n") {
				t.Errorf("Create = %v; want %s", err, strings.Join(want, "\n"))
			}
			if tt.want == "" && (err != nil || len(nodes) != 2 || nodes[0].Name() != "red-control-plane") {
				t.Errorf("Create = %v, %v", nodes, err)
			}
		})
	}
}

// TestProgramDiesOverTheSeed runs a program that names its node and ends before it reads the files.
func TestProgramDiesOverTheSeed(t *testing.T) {
	t.Parallel()
	reply := `{"nodes":[{"name":"red-control-plane","role":"control-plane","addresses":["10.0.0.2"],` + versions + `}]}`
	for end, want := range map[string]string{
		"echo no room >&2; exit 3":                       "exit status 3: no room",
		"exit 0":                                         "it ended before it had read the files of its nodes",
		`echo '{"error":"no room"}'; exit 3`:             "no room",
		"sleep 20 & exit 3":                              "exit status 3",
		"exec <&-; echo closed its input >&2; exit 3":    "exit status 3: closed its input",
		"head -c 100 >/dev/null; echo partly >&2;exit 3": "exit status 3: partly",
	} {
		p, _ := scripted(t, "read x\necho '"+reply+"'\n"+end)
		err := soon(t, 8*time.Second, func() error {
			_, err := p.Create(t.Context(), config.Cluster{Name: "red"}.Default(), "", func(n []provider.Node) (map[string][]provider.File, error) {
				return map[string][]provider.File{n[0].Name(): {{Path: "/x", Data: bytes.Repeat([]byte("x"), 2_000_000)}}}, nil
			})
			return err
		})
		if got := fmt.Sprint(err); got != "mkube-provider-test: create: "+want {
			t.Errorf("%s: Create = %s; want %s", end, got, want)
		}
	}
}

// TestInterrupt checks that a program that creates nodes is interrupted and waited for.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	p, dir := scripted(t, "trap 'echo tidy >$DIR/tidy; exit 1' INT\ntouch $DIR/began\nwhile :; do sleep 0.02; done")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { exists(t, dir+"/began"); cancel() }()
	_, err := p.Create(ctx, config.Cluster{}.Default(), "", noSeed)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v", err)
	}
	if data, err := os.ReadFile(dir + "/tidy"); strings.TrimSpace(string(data)) != "tidy" {
		t.Errorf("it did not tidy up: %v", err)
	}
}

// TestDeafPrograms checks that programs that do not end after an interrupt are killed, with their
// children.
func TestDeafPrograms(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"ignores the interrupt": `trap '' INT; echo $$ >$DIR/pid; sleep 30 & echo $! >$DIR/child; while :; do sleep 1; done`,
		"waits for a child":     `trap '' INT; (echo $$ >$DIR/pid; sleep 30) & echo $! >$DIR/child; wait`,
		"is stopped":            `echo $$ >$DIR/pid; echo $$ >$DIR/child; kill -STOP $$`,
		"never reads":           `trap '' INT; echo $$ >$DIR/pid; echo $$ >$DIR/child; exec sleep 30 <&-`,
		"writes for ever":       `trap '' INT; echo $$ >$DIR/pid; echo $$ >$DIR/child; while :; do echo '{}'; echo noise >&2; done`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, dir := scripted(t, script)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { exists(t, dir+"/child"); cancel() }()
			err := soon(t, 15*time.Second, func() error { _, err := p.Nodes(ctx, "blue"); return err })
			if want := "mkube-provider-test: nodes: context canceled"; fmt.Sprint(err) != want {
				t.Errorf("Nodes = %v; want %s", err, want)
			}
			ended(t, dir+"/pid")
			ended(t, dir+"/child")
		})
	}
}

// TestHangs checks that a program that does not end is ended, for every method.
func TestHangs(t *testing.T) {
	t.Parallel()
	p, _ := scripted(t, `exec sleep 30`)
	p = external.Limited(p, 100*time.Millisecond)
	cfg := config.Cluster{Name: "blue"}.Default()
	for method, call := range map[string]func() error{
		"nodes":  func() error { _, err := p.Nodes(t.Context(), "blue"); return err },
		"delete": func() error { return p.Delete(t.Context(), "blue", "") },
		"stop":   func() error { return p.Stop(t.Context(), "blue") },
		"start":  func() error { return p.Start(t.Context(), "blue") },
		"remove": func() error { return p.Remove(t.Context(), "blue", "blue-worker") },
		"check":  func() error { return p.Check(t.Context(), cfg)[0].Err },
		"create": func() error {
			_, err := p.Create(t.Context(), config.Cluster{Name: "red"}.Default(), "", noSeed)
			return err
		},
	} {
		err := soon(t, 15*time.Second, call)
		if want := "mkube-provider-test: " + method + ": the program did not end within 100ms, and was stopped"; fmt.Sprint(err) != want {
			t.Errorf("%s: %v; want %s", method, err, want)
		}
		if external.Limit(method) <= 0 {
			t.Errorf("%s may hang", method)
		}
	}
	if most := external.Limit("run"); most != 0 {
		t.Errorf("a command on a node may run for %s only", most)
	}
}
