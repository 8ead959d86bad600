package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cliconfig "github.com/docker/cli/cli/config"
	"github.com/docker/docker/client"
)

// dockerConfig returns a configuration folder of the docker command, with a context called lima.
func dockerConfig(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	sum := sha256.Sum256([]byte("lima"))
	meta := filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json")
	for path, data := range map[string]string{
		filepath.Join(dir, "config.json"): config,
		meta:                              `{"Name":"lima","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///lima/docker.sock","SkipTLSVerify":false}}}`,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestDial sets variables of the process, so it cannot run in parallel with other tests.
func TestDial(t *testing.T) {
	for name, test := range map[string]struct {
		config, host, context string
		name, daemon, err     string
	}{
		"nothing is set":            {`{}`, "", "", "default", client.DefaultDockerHost, ""},
		"docker context use":        {`{"currentContext":"lima"}`, "", "", "lima", "unix:///lima/docker.sock", ""},
		"DOCKER_CONTEXT":            {`{}`, "", "lima", "lima", "unix:///lima/docker.sock", ""},
		"DOCKER_HOST wins":          {`{"currentContext":"lima"}`, "tcp://192.0.2.1:2375", "lima", "default", "tcp://192.0.2.1:2375", ""},
		"DOCKER_CONTEXT over file":  {`{"currentContext":"gone"}`, "", "lima", "lima", "unix:///lima/docker.sock", ""},
		"back to the default":       {`{"currentContext":"lima"}`, "", "default", "default", client.DefaultDockerHost, ""},
		"a context that is not":     {`{"currentContext":"gone"}`, "", "", "gone", "", `reading Docker context "gone": `},
		"a file that is no JSON":    {`{`, "", "", "default", client.DefaultDockerHost, ""},
		"ssh":                       {`{}`, "ssh://me@build.example.com:2222/run/docker.sock", "", "default", "ssh://build.example.com:2222", ""},
		"ssh by an address":         {`{}`, "ssh://[2001:db8::1]", "", "default", "ssh://[2001:db8::1]", ""},
		"tcp without a port":        {`{}`, "tcp://192.0.2.1", "", "default", "tcp://192.0.2.1:2375", ""},
		"no scheme":                 {`{}`, "192.0.2.1:2375", "", "default", "tcp://192.0.2.1:2375", ""},
		"an address in brackets":    {`{}`, "tcp://[::1]:2375", "", "default", "tcp://[::1]:2375", ""},
		"no current context at all": {`{"currentContext":""}`, "", "", "default", client.DefaultDockerHost, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("DOCKER_CONFIG", dockerConfig(t, test.config))
			t.Setenv("DOCKER_HOST", test.host)
			t.Setenv("DOCKER_CONTEXT", test.context)
			cliconfig.SetDir(os.Getenv("DOCKER_CONFIG")) // the package reads the variable only once
			t.Cleanup(func() { cliconfig.SetDir("") })
			if got := contextName(); got != test.name {
				t.Errorf("contextName = %q; want %q", got, test.name)
			}
			c, err := Dial()
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) || !strings.HasSuffix(err.Error(), "; see docker context ls, or set DOCKER_HOST") {
					t.Errorf("Dial = %v; want %s", err, test.err)
				}
				return
			}
			if err != nil || c.DaemonHost() != test.daemon {
				t.Errorf("Dial = %v, %v; want %s", c, err, test.daemon)
			}
		})
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{"unix:///var/run/docker.sock": true, "tcp://192.0.2.1:2375": false, "ssh://build": false} {
		c, err := client.NewClientWithOpts(client.WithHost(host))
		if err != nil {
			t.Fatal(err)
		}
		if got := local(c); got != want {
			t.Errorf("local(%s) = %t; want %t", host, got, want)
		}
	}
}

// daemon returns a client of a socket at which a handler answers every request.
func daemon(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: answer}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return clientOf(t, socket)
}

func clientOf(t *testing.T, socket string) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost("unix://"+socket), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReach(t *testing.T) {
	t.Parallel()
	well := daemon(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	if err := reach(t.Context(), well); err != nil {
		t.Errorf("reach = %v", err)
	}
	socket := filepath.Join(t.TempDir(), "none")
	err := reach(t.Context(), clientOf(t, socket))
	want := "the Docker daemon at unix://" + socket + " does not answer: start it, or choose another with DOCKER_HOST or docker context use ("
	if !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("reach = %v; want %s", err, want)
	}
	refused := daemon(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "permission denied", http.StatusForbidden) })
	if err := reach(t.Context(), refused); !strings.HasPrefix(fmt.Sprint(err), "no permission to use the Docker daemon at unix://") {
		t.Errorf("reach = %v", err)
	}
}

// TestBoundingSet reads the bounding set of a process that listens on a socket, which is this
// process.
func TestBoundingSet(t *testing.T) {
	t.Parallel()
	c := daemon(t, func(http.ResponseWriter, *http.Request) {})
	set, ok := boundingSet(c.DaemonHost())
	if !ok {
		t.Fatal("the bounding set of this process cannot be read")
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("CapBnd:\t%016x\n", set); !strings.Contains(string(status), want) {
		t.Errorf("the bounding set is not %q", want)
	}
	missing := privilegesOf(t.Context(), c).missing
	for i, name := range capabilities {
		if has := set&(1<<i) != 0; has == slices.Contains(missing, name) {
			t.Errorf("%s is missing: %t, in the set: %t", name, !has, has)
		}
	}
	for _, host := range []string{"tcp://192.0.2.1:2375", "unix:///no/such/socket"} {
		if _, ok := boundingSet(host); ok {
			t.Errorf("the bounding set of %s is known", host)
		}
	}
}

// TestPrivilegesWith checks that only a request to an old engine leaves out missing capabilities.
func TestPrivilegesWith(t *testing.T) {
	t.Parallel()
	all := uint64(1)<<len(capabilities) - 1
	for _, test := range []struct {
		bounding uint64
		api      string
		missing  []string
	}{
		{all, "1.41", nil},
		{all &^ (1 << 24), "1.41", []string{"SYS_RESOURCE"}},
		{all &^ (1 << 24), "1.42", nil},
		{all &^ (1 << 24), "1.56", nil},
		{all &^ (1 << 24), "", []string{"SYS_RESOURCE"}},
	} {
		if got := privilegesWith(test.bounding, test.api).missing; !slices.Equal(got, test.missing) {
			t.Errorf("privilegesWith(%x, %q) lacks %v; want %v", test.bounding, test.api, got, test.missing)
		}
	}
}
