package kubeconfig_test

import (
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

func entry(name string) kubeconfig.Entry {
	return kubeconfig.Entry{
		Name: name, Server: "https://127.0.0.1:6443",
		CA: []byte("the CA of " + name), ClientCert: []byte("the certificate"), ClientKey: []byte("the key"),
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	e := entry("mkube-a")
	e.TLSServerName = "kubernetes"
	got, err := e.YAML()
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: dGhlIENBIG9mIG1rdWJlLWE=
    server: https://127.0.0.1:6443
    tls-server-name: kubernetes
  name: mkube-a
contexts:
- context:
    cluster: mkube-a
    user: mkube-a
  name: mkube-a
current-context: mkube-a
kind: Config
users:
- name: mkube-a
  user:
    client-certificate-data: dGhlIGNlcnRpZmljYXRl
    client-key-data: dGhlIGtleQ==
`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	// kubectl would write the same text.
	config, err := clientcmd.Load(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := clientcmd.Write(*config); err != nil || string(again) != want {
		t.Errorf("kubectl writes, %v:\n%s", err, again)
	}
}

func TestYAMLWithoutCredentials(t *testing.T) {
	t.Parallel()
	got, err := kubeconfig.Entry{Name: "a", Server: "http://localhost:8080"}.YAML()
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: v1
clusters:
- cluster:
    server: http://localhost:8080
  name: a
contexts:
- context:
    cluster: a
    user: a
  name: a
current-context: a
kind: Config
users:
- name: a
  user: {}
`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestYAMLNames uses names that YAML would read as another type.
func TestYAMLNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"yes", "y", "off", "true", "null", "~", "1", "0777", "0o7", "0x1f", "1e3", "1_000", "12:30", "0b1", ".inf", "2026-08-01",
		"<<", "=", "- a", "a: b", "a #b", "*a", "&a", "!a", "'a", `"a"`, "a\nb", " a ", "{a}", "[a]", "%a", "@a", "`a", "é", "🙂", "a\tb", "\x01",
	} {
		data, err := entry(name).YAML()
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		config, err := clientcmd.Load(data)
		if err != nil {
			t.Errorf("%q: %v\n%s", name, err, data)
			continue
		}
		wantEntry(t, config, name)
		if config.CurrentContext != name {
			t.Errorf("current context %q, want %q", config.CurrentContext, name)
		}
	}
}

// wantEntry checks that kubectl finds entry(name) in a kubeconfig.
func wantEntry(t *testing.T, config *clientcmdapi.Config, name string) {
	t.Helper()
	want := entry(name)
	cluster, user, context := config.Clusters[name], config.AuthInfos[name], config.Contexts[name]
	if cluster == nil || user == nil || context == nil {
		t.Errorf("%q: cluster %v, user %v, context %v", name, cluster, user, context)
		return
	}
	if cluster.Server != want.Server || string(cluster.CertificateAuthorityData) != string(want.CA) {
		t.Errorf("%q: cluster is %v", name, cluster)
	}
	if string(user.ClientCertificateData) != string(want.ClientCert) || string(user.ClientKeyData) != string(want.ClientKey) {
		t.Errorf("%q: user is %v", name, user)
	}
	if context.Cluster != name || context.AuthInfo != name {
		t.Errorf("%q: context is %v", name, context)
	}
}

func TestYAMLErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		entry kubeconfig.Entry
		want  string
	}{
		{kubeconfig.Entry{}, "kubeconfig entry \"\": its name is empty\nits server is empty"},
		{kubeconfig.Entry{Name: "a\xff", Server: "b"}, `kubeconfig entry "a\xff": "a\xff" is not UTF-8, which YAML requires`},
	} {
		_, err := test.entry.YAML()
		wantError(t, err, test.want)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want: %s", want)
	}
	if got := err.Error(); got != want {
		t.Errorf("error:\n%s\nwant:\n%s", got, want)
	}
}
