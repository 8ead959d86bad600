package cli

import (
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
)

// TestCreateWithProxy checks which proxy the nodes of a new cluster get.
func TestCreateWithProxy(t *testing.T) {
	t.Parallel()
	const url, other = "http://proxy.example.com:3128", "socks5://other.example.com"
	for name, tt := range map[string]struct {
		env  map[string]string
		file string
		want *config.Proxy
	}{
		"none":                         {nil, "", nil},
		"hosts alone":                  {map[string]string{"NO_PROXY": "example.com"}, "", nil},
		"all":                          {map[string]string{"HTTP_PROXY": url, "HTTPS_PROXY": other, "NO_PROXY": "example.com"}, "", &config.Proxy{HTTPProxy: url, HTTPSProxy: other, NoProxy: "example.com"}},
		"lower case":                   {map[string]string{"https_proxy": url, "no_proxy": "example.com"}, "", &config.Proxy{HTTPSProxy: url, NoProxy: "example.com"}},
		"upper case first":             {map[string]string{"https_proxy": url, "HTTPS_PROXY": other}, "", &config.Proxy{HTTPSProxy: other}},
		"without a scheme":             {map[string]string{"HTTP_PROXY": "proxy.example.com:3128"}, "", &config.Proxy{HTTPProxy: "proxy.example.com:3128"}},
		"a file":                       {map[string]string{"HTTP_PROXY": other, "NO_PROXY": "example.com"}, "proxy: {httpsProxy: " + url + "}\n", &config.Proxy{HTTPSProxy: url}},
		"a file that wants none":       {map[string]string{"HTTP_PROXY": other}, "proxy: {}\n", &config.Proxy{}},
		"a proxy of the node's own":    {nil, "proxy: {httpsProxy: \"http://localhost:3128\"}\n", &config.Proxy{HTTPSProxy: "http://localhost:3128"}},
		"a file without a proxy field": {map[string]string{"HTTP_PROXY": url}, "name: blue\n", &config.Proxy{HTTPProxy: url}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for name, value := range tt.env {
				w.setenv(name, value)
			}
			line := "create cluster"
			if tt.file != "" {
				w.in = strings.NewReader("apiVersion: mkube.dev/v1alpha1\nkind: Cluster\n" + tt.file)
				line += " --config -"
			}
			asked := w.creates()
			if code := w.run(t, line); code != 0 {
				t.Fatalf("exit code %d, %s", code, w.err.String())
			}
			got := asked.cfg.Proxy
			if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
				t.Errorf("proxy is %+v; want %+v", got, tt.want)
			}
			if strings.Contains(w.err.String(), "Warning") {
				t.Errorf("it warns: %s", w.err.String())
			}
		})
	}
}

// TestCreateWithLoopbackProxy checks that a proxy that nodes cannot reach is left out with a warning.
func TestCreateWithLoopbackProxy(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://127.0.0.1:3128", "http://localhost:3128", "socks5://[::1]:3128"} {
		w := newWorld(t)
		w.setenv("https_proxy", address)
		asked := w.creates()
		_, host, _ := strings.Cut(address, "://")
		want := "nodes do not use the proxy in https_proxy, because they cannot reach " + host + " of this host: to use it, let it listen on another address, and set proxy in the configuration file\n"
		if code := w.run(t, "create cluster"); code != 0 || asked.cfg.Proxy != nil || !strings.Contains(w.err.String(), want) {
			t.Errorf("%s: exit code %d, proxy %+v, %s", address, code, asked.cfg.Proxy, w.err.String())
		}
	}
}

// TestCreateWithWrongProxy checks that nothing is created with an invalid proxy, and that its password
// is not printed.
func TestCreateWithWrongProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setenv("HTTP_PROXY", "ftp://user:secret@proxy.example.com")
	w.setenv("HTTPS_PROXY", "http://user:secret@proxy.example.com:port")
	code := w.run(t, "create cluster")
	const must = "must be the URL of a proxy (http, https, socks5, socks5h), such as http://proxy.example.com:3128\n"
	w.want(t, code, 2, "", "Error: the environment variable HTTP_PROXY "+must+"Error: the environment variable HTTPS_PROXY "+must)
}
