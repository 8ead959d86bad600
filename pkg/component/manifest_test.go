package component_test

import (
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
)

// TestQuote checks that any text of a user is unchanged when the YAML is parsed again.
func TestQuote(t *testing.T) {
	t.Parallel()
	for _, value := range []any{
		"", "plain", "yes", "null", "1.0", "0x1f", "a: b", "- a", "# no comment", "{{not a template}}", "it's", `"quoted"`,
		`back\slash`, "new\nline", "tab\t", " spaces ", "ünïcode", "*", "&a", "!t", "%", "@", "`", "<>&",
		true, map[string]any{"a": "x: y", "b": true}, []any{"a", "- b"}, nil,
	} {
		text, err := component.Render("test", "before: {{quote .X}}\nafter: 1\n", map[string]any{"X": value})
		if err != nil {
			t.Errorf("%#v: %v", value, err)
			continue
		}
		var got map[string]any
		if err := yaml.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got["before"], value) || got["after"] != 1.0 {
			t.Errorf("%#v was written as %q, which reads %#v, %v", value, text, got["before"], err)
		}
	}
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{})
	for name, test := range map[string]struct{ template, want string }{
		"a value is missing": {"{{.Missing}}", `filling in the template of etcd: template: etcd:1:2: executing "etcd" at <.Missing>: map has no entry for key "Missing"`},
		"no template":        {"{{", "reading the template of etcd: template: etcd:1: unclosed action"},
		"not for YAML":       {"{{quote .F}}", "filling in the template of etcd: "},
	} {
		for what, render := range map[string]func() error{
			"Render": func() error {
				_, err := component.Render("etcd", test.template, map[string]any{"F": func() {}})
				return err
			},
			"StaticPod": func() error {
				_, err := component.StaticPod(cl, cl.Nodes[0], "etcd", test.template, map[string]any{"F": func() {}})
				return err
			},
		} {
			if got := componenttest.Message(render()); !strings.HasPrefix(got, test.want) {
				t.Errorf("%s: %s = %s; want %s", name, what, got, test.want)
			}
		}
	}
}

func TestRenderFunctions(t *testing.T) {
	t.Parallel()
	got, err := component.Render("x", "{{quote .S}} {{base64 .B}}", map[string]any{"S": []string{"a: b"}, "B": []byte("a\n")})
	if want := `["a: b"] YQo=`; string(got) != want || err != nil {
		t.Errorf("Render = %s, %v; want %s", got, err, want)
	}
}

func TestStaticPod(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{})
	f, err := component.StaticPod(cl, cl.Nodes[0], "etcd", "a: {{quote .A}}\n", map[string]any{"A": "b"})
	if err != nil || f.Path != "/etc/kubernetes/manifests/etcd.yaml" || string(f.Data) != "a: \"b\"\n" || f.Mode != 0o600 {
		t.Errorf("StaticPod = %v, %v", f, err)
	}
}

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{Name: "k", Nodes: []config.Node{{Role: config.Worker}, {}, {}}})
	// Each control plane connects to its own API server, and a worker to the load balancer.
	for i, server := range []string{"10.89.0.5", "10.89.0.3", "10.89.0.4"} {
		f, err := component.Kubeconfig(cl, cl.Nodes[i], "/path", pki.Request{CommonName: "me"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := componenttest.Readable(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		if f.Path != "/path" || f.Mode != 0o600 || !strings.Contains(text, "server: https://"+server+":6443\n") {
			t.Errorf("the kubeconfig of %s is %s (%o):\n%s", cl.Nodes[i].Name(), f.Path, f.Mode, text)
		}
		if !strings.Contains(text, "subject: CN=me\n") || !strings.Contains(text, "client auth\n") || strings.Contains(text, "server auth") {
			t.Errorf("the kubeconfig's certificate is not the client's:\n%s", text)
		}
	}
	if _, err := component.Kubeconfig(cl, cl.Nodes[0], "/path", pki.Request{}); err == nil {
		t.Error("a certificate for nobody is no error")
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	got := component.Certificate("/dir/x", pki.KeyPair{Cert: []byte("c"), Key: []byte("k")})
	if len(got) != 2 || got[0].Path != "/dir/x.crt" || got[0].Mode != 0 || string(got[0].Data) != "c" ||
		got[1].Path != "/dir/x.key" || got[1].Mode != 0o600 || string(got[1].Data) != "k" {
		t.Errorf("Certificate = %v", got)
	}
}
