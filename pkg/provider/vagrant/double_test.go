package vagrant

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// double replaces the vagrant command. It replays recorded output of vagrant with a hypervisor
// (testdata/HYPERVISOR). Each running machine of the Vagrantfile is an SSH server with a node in
// memory.
type double struct {
	hypervisor string
	key        string // file

	mu       sync.Mutex
	machines map[string]*server // by folder and name
	calls    []string
	// fails maps verbs to the recorded errors with which they fail.
	fails map[string]string
	// hangs contains the verbs that wait until they are interrupted.
	hangs map[string]chan struct{}
}

// newProvider returns a provider on a double, with one bundle.
func newProvider(t *testing.T, hypervisor string) (*Provider, *double) {
	t.Helper()
	dir := t.TempDir()
	d := &double{hypervisor: hypervisor, machines: map[string]*server{}, fails: map[string]string{}, hangs: map[string]chan struct{}{}}
	d.key = filepath.Join(dir, "the key") // vagrant quotes a path with a blank
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.key, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stopAll)
	p := New(Options{Dir: filepath.Join(dir, "clusters"), Bundles: filepath.Join(dir, "bundles"), Hypervisor: hypervisor})
	p.run, p.lookPath = d.run, func(name string) (string, error) { return "/usr/bin/" + name, nil }
	p.networks = hostnet.Networks{Addresses: uses("10.99.0.0/16"), Routes: uses()}
	writeBundle(t, filepath.Join(dir, "bundles", "v1.37.2.tar"))
	return p, d
}

// uses returns a function that returns subnets of the host.
func uses(subnets ...string) func() ([]hostnet.Use, error) {
	var list []hostnet.Use
	for _, s := range subnets {
		list = append(list, hostnet.Use{Subnet: netip.MustParsePrefix(s), By: "this host's eth0"})
	}
	return func() ([]hostnet.Use, error) { return list, nil }
}

// testImage is the node image of the bundle that newProvider creates.
const testImage = "mkube/node:v1.37.2"

var testVersions = provider.Versions{
	Kubernetes: "v1.37.2", Etcd: "3.7.0-0", CoreDNS: "v1.14.6", Pause: "3.10.2", LocalPath: "v0.0.33", MetricsServer: "v0.9.0",
}

// writeBundle writes a bundle with one more file than required.
func writeBundle(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := json.Marshal(bundleInfo{Inputs: "abc", Versions: testVersions})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// provider.Archive would write the folders first; nodeimage writes files in this order.
	if err := writeEntries(f, [][2]string{{infoPath, string(info)}, {"usr/local/bin/mkube-vm-setup", "#!/bin/sh\n"}}); err != nil {
		t.Fatal(err)
	}
}

var defined = regexp.MustCompile(`(?m)^  config\.vm\.define '([^']+)'`)

// names returns the machines of a folder's Vagrantfile, or only those in asked.
func names(dir string, asked []string) ([]string, error) {
	if len(asked) > 0 {
		return asked, nil
	}
	data, err := os.ReadFile(filepath.Join(dir, vagrantfile))
	var list []string
	for _, m := range defined.FindAllStringSubmatch(string(data), -1) {
		list = append(list, m[1])
	}
	return list, err
}

var errVagrant = errors.New("exit status 1")

// run replaces the vagrant command.
func (d *double) run(ctx context.Context, dir string, w output, args ...string) error {
	var words []string // without flags and their values
	for i, a := range args {
		if !strings.HasPrefix(a, "--") && (i == 0 || args[i-1] != "--provider") {
			words = append(words, a)
		}
	}
	verb := words[0]
	d.mu.Lock()
	d.calls = append(d.calls, strings.Join(args, " "))
	failure, hang := d.fails[verb], d.hangs[verb]
	d.mu.Unlock()
	if hang != nil {
		close(hang)
		<-ctx.Done()
		return ctx.Err()
	}
	if failure != "" {
		if err := d.replay(w.stdout, failure, ""); err != nil {
			return err
		}
		return errVagrant
	}
	list, err := names(dir, words[1:])
	if err != nil {
		return err
	}
	for _, name := range list {
		if err := d.do(verb, dir, name, w.stdout); err != nil {
			return err
		}
	}
	return nil
}

// do runs a verb on one machine.
func (d *double) do(verb, dir, name string, stdout io.Writer) error {
	key := filepath.Join(dir, name)
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.machines[key]
	switch verb {
	case "up":
		if m == nil {
			m = newServer(name)
			d.machines[key] = m
		}
		if err := os.MkdirAll(filepath.Join(dir, ".vagrant"), 0o755); err != nil {
			return err
		}
		if err := m.listen(); err != nil {
			return err
		}
	case "halt", "destroy":
		if m != nil {
			m.stop()
		}
		if verb == "destroy" {
			delete(d.machines, key)
		}
	case "ssh-config":
		if m == nil || m.address() == nil {
			return errVagrant
		}
		host, port := m.address().IP, m.address().Port
		_, err := fmt.Fprintf(stdout, "Host %s\n  HostName %s\n  User vagrant\n  Port %d\n  UserKnownHostsFile /dev/null\n"+
			"  StrictHostKeyChecking no\n  PasswordAuthentication no\n  IdentityFile \"%s\"\n  IdentitiesOnly yes\n  LogLevel FATAL\n\n", name, host, port, d.key)
		return err
	}
	return d.replay(stdout, verb, name)
}

// replay writes a recording in which it replaces the machine's name, node1.
func (d *double) replay(w io.Writer, recording, name string) error {
	data, err := os.ReadFile(filepath.Join("testdata", d.hypervisor, recording+".txt"))
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.ReplaceAll(string(data), "node1", name))
	return err
}

func (d *double) stopAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.machines {
		m.stop()
	}
}

// machine returns the machine with a name.
func (d *double) machine(t *testing.T, name string) *server {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, m := range d.machines {
		if filepath.Base(key) == name {
			return m
		}
	}
	t.Fatalf("there is no machine %s", name)
	return nil
}

// commandLines returns the calls of the vagrant command, without the flags that all of them have.
func (d *double) commandLines() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, c := range d.calls {
		list = append(list, strings.TrimPrefix(c, "--machine-readable --no-color "))
	}
	return list
}
