package kubeconfig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

// kubectl changes files as "kubectl config" changes those in $KUBECONFIG.
func kubectl(t *testing.T, paths []string, change func(*clientcmdapi.Config)) {
	t.Helper()
	t.Setenv("KUBECONFIG", strings.Join(paths, string(filepath.ListSeparator)))
	options := clientcmd.NewDefaultPathOptions()
	config, err := options.GetStartingConfig()
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	if err := clientcmd.ModifyConfig(options, *config, false); err != nil {
		t.Fatal(err)
	}
}

// set adds an entry to a kubeconfig as kubectl's set-cluster, set-credentials, set-context and
// use-context do.
func set(config *clientcmdapi.Config, e kubeconfig.Entry) {
	cluster, user, context := config.Clusters[e.Name], config.AuthInfos[e.Name], config.Contexts[e.Name]
	if cluster == nil {
		cluster = clientcmdapi.NewCluster()
	}
	if user == nil {
		user = clientcmdapi.NewAuthInfo()
	}
	if context == nil {
		context = clientcmdapi.NewContext()
	}
	cluster.Server, cluster.CertificateAuthorityData = e.Server, e.CA
	user.ClientCertificateData, user.ClientKeyData = e.ClientCert, e.ClientKey
	context.Cluster, context.AuthInfo = e.Name, e.Name
	config.Clusters[e.Name], config.AuthInfos[e.Name], config.Contexts[e.Name] = cluster, user, context
	config.CurrentContext = e.Name
}

// TestMergeIntoTheFileThatKubectlTakes makes the same change with both programs, and compares the
// files.
func TestMergeIntoTheFileThatKubectlTakes(t *testing.T) {
	const (
		missing = "missing"
		empty   = "apiVersion: v1\nkind: Config\n"
		cluster = empty + "clusters:\n- cluster: {server: old}\n  name: a\n"
		context = empty + "contexts:\n- context: {cluster: old}\n  name: a\n"
		user    = empty + "users:\n- name: a\n  user: {username: old}\n"
		others  = empty + "current-context: w\ncontexts:\n- context: {cluster: w}\n  name: w\n"
	)
	for _, contents := range [][]string{
		{missing}, {empty}, {others}, {cluster},
		{missing, missing}, {missing, empty}, {missing, empty, empty}, {empty, others}, {others, empty},
		{empty, cluster}, {cluster, context, user}, {missing, user, others}, {others, missing, context},
		{cluster, cluster}, {empty, user, user},
	} {
		ours, kubectls := fileList(t, contents, missing), fileList(t, contents, missing)
		where := merge(t, entry("a"), ours...)
		kubectl(t, kubectls, func(config *clientcmdapi.Config) { set(config, entry("a")) })
		for i := range contents {
			if got, want := holdings(t, ours[i]), holdings(t, kubectls[i]); got != want {
				t.Errorf("%q: file %d has %s, kubectl's %s", contents, i, got, want)
			}
			if where == ours[i] && !strings.Contains(holdings(t, ours[i]), "contexts:a") {
				t.Errorf("%q: Merge names file %d, which has no such context", contents, i)
			}
		}
		remove(t, "a", ours...)
		for i, content := range contents {
			if strings.Contains(holdings(t, ours[i]), ":a") {
				t.Errorf("%q: file %d still has %s", contents, i, holdings(t, ours[i]))
			}
			if _, err := os.Stat(ours[i]); content == missing && err == nil && i != len(contents)-1 {
				t.Errorf("%q: file %d was made", contents, i)
			}
		}
	}
}

func fileList(t *testing.T, contents []string, missing string) []string {
	t.Helper()
	folder := t.TempDir()
	var paths []string
	for i, content := range contents {
		path := filepath.Join(folder, fmt.Sprint(i))
		if content != missing {
			putAt(t, path, content)
		}
		paths = append(paths, path)
	}
	return paths
}

// holdings describes the relevant content of a file. It distinguishes entry("a") from an older one.
func holdings(t *testing.T, path string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if os.IsNotExist(err) {
		return "nothing"
	}
	if err != nil {
		t.Fatal(err)
	}
	var has []string
	if c := config.Clusters["a"]; c != nil {
		has = append(has, "clusters:a="+c.Server)
	}
	if c := config.Contexts["a"]; c != nil {
		has = append(has, "contexts:a="+c.Cluster)
	}
	if u := config.AuthInfos["a"]; u != nil {
		has = append(has, "users:a="+string(u.ClientKeyData))
	}
	if config.Contexts["w"] != nil {
		has = append(has, "contexts:w")
	}
	return fmt.Sprintf("%q, current-context:%s", has, config.CurrentContext)
}

// TestTakingTurnsWithKubectl checks that neither program loses what the other has written.
func TestTakingTurnsWithKubectl(t *testing.T) {
	paths := []string{filepath.Join(t.TempDir(), "config")}
	for i := range 3 {
		kubectl(t, paths, func(config *clientcmdapi.Config) { set(config, entry(fmt.Sprint("kubectl-", i))) })
		merge(t, entry(fmt.Sprint("mkube-", i)), paths...)
	}
	remove(t, "mkube-0", paths...)
	kubectl(t, paths, func(config *clientcmdapi.Config) {
		delete(config.Clusters, "kubectl-0")
		delete(config.AuthInfos, "kubectl-0")
		delete(config.Contexts, "kubectl-0")
	})
	config, err := clientcmd.LoadFromFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubectl-1", "mkube-1", "kubectl-2", "mkube-2"} {
		wantEntry(t, config, name)
	}
	if len(config.Clusters) != 4 || len(config.AuthInfos) != 4 || len(config.Contexts) != 4 || config.CurrentContext != "mkube-2" {
		t.Errorf("kubeconfig is:\n%s", get(t, paths[0]))
	}
}
