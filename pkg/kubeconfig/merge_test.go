package kubeconfig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/mkube/mkube/pkg/kubeconfig"
)

// tempFile creates a file and returns its path.
func tempFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	putAt(t, path, content)
	return path
}

func putAt(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func merge(t *testing.T, e kubeconfig.Entry, paths ...string) string {
	t.Helper()
	path, err := kubeconfig.Merge(t.Context(), paths, e, true)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func remove(t *testing.T, name string, paths ...string) {
	t.Helper()
	if err := kubeconfig.Remove(t.Context(), paths, name); err != nil {
		t.Fatal(err)
	}
}

// wantFiles checks that a folder contains exactly these files: no lock, no temporary file.
func wantFiles(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("files in the folder: %q, want %q", got, want)
	}
}

const (
	aCluster = `- cluster:
    certificate-authority-data: dGhlIENBIG9mIGE=
    server: https://127.0.0.1:6443
  name: a
`
	aContext = `- context:
    cluster: a
    user: a
  name: a
`
	aUser = `- name: a
  user:
    client-certificate-data: dGhlIGNlcnRpZmljYXRl
    client-key-data: dGhlIGtleQ==
`
	alone = "apiVersion: v1\nclusters:\n" + aCluster + "contexts:\n" + aContext + "current-context: a\nkind: Config\nusers:\n" + aUser
	// emptied is alone after Remove.
	emptied = "apiVersion: v1\nclusters: []\ncontexts: []\ncurrent-context: \"\"\nkind: Config\nusers: []\n"
)

// indented adds an indent to each line of a text.
func indented(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

// forms are files of every format, with the results of Merge of entry("a") and of the Remove after
// it.
var forms = map[string]struct{ before, merged, removed string }{
	"empty":         {"", alone, emptied},
	"null":          {"---\nnull\n", alone, emptied},
	"only comments": {"# mine\n\n  # and yours", "# mine\n# and yours\n" + alone, "# mine\n# and yours\n" + emptied},
	"empty mapping": {"# mine\nextra: 1\n", "# mine\nextra: 1\nclusters:\n" + aCluster + "contexts:\n" + aContext + "users:\n" + aUser + "current-context: a\n", "# mine\nextra: 1\nclusters: []\ncontexts: []\nusers: []\ncurrent-context: \"\"\n"},
	"kubectl's nothing": {
		"apiVersion: v1\nclusters: null\ncontexts:\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: []\n",
		strings.Replace(alone, "users:", "preferences: {}\nusers:", 1),
		strings.Replace(emptied, "users:", "preferences: {}\nusers:", 1),
	},
	"comments beside lists": {
		"clusters: [] # mine\ncontexts: # yours\nusers: # theirs\n- name: a\n# end\n",
		"clusters: # mine\n" + aCluster + "contexts: # yours\n" + aContext + "users: # theirs\n" + aUser + "# end\n\ncurrent-context: a\n",
		"clusters: [] # mine\ncontexts: [] # yours\nusers: [] # theirs\n# end\n\ncurrent-context: \"\"\n",
	},
	"the same already": {alone, alone, emptied},
	"an older one, twice": {
		"apiVersion: v1\nclusters:\n- cluster: {server: old}\n  name: b\n# kept\n- name: \"a\" # too\n  cluster: {server: old}\n- name: 'a'\n- name: c\ncontexts: []\nusers: []\n",
		"apiVersion: v1\nclusters:\n- cluster: {server: old}\n  name: b\n# kept\n" + aCluster + "- name: c\ncontexts:\n" + aContext + "users:\n" + aUser + "current-context: a\n",
		"apiVersion: v1\nclusters:\n- cluster: {server: old}\n  name: b\n- name: c\ncontexts: []\nusers: []\ncurrent-context: \"\"\n",
	},
	"comments, order and unknown fields": {
		`# My clusters.
kind: Config # as always
apiVersion: v1
x-mine: {deep: [1, 0x10, "2"]}
users: # people
# work
- name: "w"
  user:
    token: |
      secret
    x-note: ~ # nothing
contexts:
- context: {cluster: w, user: w, namespace: 'n'}
  name: w
# the end
`,
		`# My clusters.
kind: Config # as always
apiVersion: v1
x-mine: {deep: [1, 0x10, "2"]}
users: # people
# work
- name: "w"
  user:
    token: |
      secret
    x-note: ~ # nothing
` + aUser + `contexts:
- context: {cluster: w, user: w, namespace: 'n'}
  name: w
` + aContext + `# the end

clusters:
` + aCluster + `current-context: a
`,
		`# My clusters.
kind: Config # as always
apiVersion: v1
x-mine: {deep: [1, 0x10, "2"]}
users: # people
# work
- name: "w"
  user:
    token: |
      secret
    x-note: ~ # nothing
contexts:
- context: {cluster: w, user: w, namespace: 'n'}
  name: w
# the end

clusters: []
current-context: ""
`,
	},
	"lists indented": {
		"clusters:\n  - cluster:\n      server: s\n    name: w\ncontexts:\nusers:\ncurrent-context: w\n",
		"clusters:\n  - cluster:\n      server: s\n    name: w\n" + indented(aCluster, "  ") + "contexts:\n" + indented(aContext, "  ") + "users:\n" + indented(aUser, "  ") + "current-context: a\n",
		"clusters:\n  - cluster:\n      server: s\n    name: w\ncontexts: []\nusers: []\ncurrent-context: \"\"\n",
	},
	"lines of Windows": {
		"# mine\r\ncurrent-context: w # now\r\nclusters: []\r\ncontexts: []\r\nusers: []\r\n",
		strings.ReplaceAll("# mine\ncurrent-context: a # now\nclusters:\n"+aCluster+"contexts:\n"+aContext+"users:\n"+aUser, "\n", "\r\n"),
		"# mine\r\ncurrent-context: \"\" # now\r\nclusters: []\r\ncontexts: []\r\nusers: []\r\n",
	},
	"JSON on one line": {
		`{"kind":"Config","apiVersion":"v1","users":[],"clusters":null,"x":1.50}`,
		`{"kind":"Config","apiVersion":"v1","users":[{"name":"a","user":{"client-certificate-data":"dGhlIGNlcnRpZmljYXRl","client-key-data":"dGhlIGtleQ=="}}],` +
			`"clusters":[{"cluster":{"certificate-authority-data":"dGhlIENBIG9mIGE=","server":"https://127.0.0.1:6443"},"name":"a"}],"x":1.50,` +
			`"contexts":[{"context":{"cluster":"a","user":"a"},"name":"a"}],"current-context":"a"}` + "\n",
		`{"kind":"Config","apiVersion":"v1","users":[],"clusters":[],"x":1.50,"contexts":[],"current-context":""}` + "\n",
	},
	"JSON indented by tabs": {
		"{\n\t\"current-context\": \"w\",\n\t\"contexts\": [\n\t\t{\n\t\t\t\"name\": \"w\"\n\t\t}\n\t]\n}",
		`{
	"current-context": "a",
	"contexts": [
		{
			"name": "w"
		},
		{
			"context": {
				"cluster": "a",
				"user": "a"
			},
			"name": "a"
		}
	],
	"clusters": [
		{
			"cluster": {
				"certificate-authority-data": "dGhlIENBIG9mIGE=",
				"server": "https://127.0.0.1:6443"
			},
			"name": "a"
		}
	],
	"users": [
		{
			"name": "a",
			"user": {
				"client-certificate-data": "dGhlIGNlcnRpZmljYXRl",
				"client-key-data": "dGhlIGtleQ=="
			}
		}
	]
}
`,
		"{\n\t\"current-context\": \"\",\n\t\"contexts\": [\n\t\t{\n\t\t\t\"name\": \"w\"\n\t\t}\n\t],\n\t\"clusters\": [],\n\t\"users\": []\n}\n",
	},
}

func TestForms(t *testing.T) {
	t.Parallel()
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempFile(t, form.before)
			for _, time := range []string{"once", "twice"} {
				if got := merge(t, entry("a"), path); got != path {
					t.Errorf("merged into %s, want %s", got, path)
				}
				if got := get(t, path); got != form.merged {
					t.Fatalf("merged %s:\n%s\nwant:\n%s", time, got, form.merged)
				}
			}
			config, err := clientcmd.LoadFromFile(path)
			if err != nil {
				t.Fatal(err)
			}
			wantEntry(t, config, "a")
			for _, time := range []string{"once", "twice"} {
				remove(t, "a", path)
				if got := get(t, path); got != form.removed {
					t.Fatalf("removed %s:\n%s\nwant:\n%s", time, got, form.removed)
				}
			}
			wantFiles(t, filepath.Dir(path), "config")
		})
	}
}

func TestMergeWithoutSwitch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ before, want string }{
		{"", ""}, {"current-context: w\n", "w"},
	} {
		path := tempFile(t, test.before)
		if _, err := kubeconfig.Merge(t.Context(), []string{path}, entry("a"), false); err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.LoadFromFile(path)
		if err != nil {
			t.Fatal(err)
		}
		wantEntry(t, config, "a")
		if config.CurrentContext != test.want {
			t.Errorf("current context %q, want %q", config.CurrentContext, test.want)
		}
	}
}

// refused are files that cannot be changed, with the reasons.
var refused = map[string]struct{ content, why string }{
	"broken":             {"a: 1\nclusters:\n- name: x\n   y: 1\n", "line 4: mapping values are not allowed in this context"},
	"a tab":              {"clusters:\n\t- name: a\n", "line 2: found character that cannot start any token"},
	"repeated key":       {"users: []\nkind: Config\nusers: []\n", `line 3: mapping key "users" already defined at line 1`},
	"not a mapping":      {"# a\n- 1\n", "line 2: a kubeconfig must be a mapping"},
	"another kind":       {"apiVersion: apps/v1\nkind: Deployment\n", `line 1: apiVersion is "apps/v1", not "v1": it is not a kubeconfig; line 2: kind is "Deployment", not "Config": it is not a kubeconfig`},
	"a mapping of users": {"users:\n  a: {}\n", "line 2: users is not a list"},
	"an alias":           {"clusters: &c []\nusers: *c\n", "line 2: users is a YAML alias, which cannot be changed on its own"},
	"a merge":            {"x: &x {users: []}\n<<: *x\n", "line 2: a kubeconfig that begins with a YAML merge (<<) cannot be changed"},
	"a cycle":            {"x: &x [*x]\n", "anchor 'x' value contains itself"},
	"two documents":      {"kind: Config\n---\nkind: Config\n", "it contains several YAML documents, but kubectl reads only the first"},
	"broken end":         {"kind: Config\n---\na: [\n", "line 3: did not find expected node content"},
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempFile(t, test.content)
			want := fmt.Sprintf("reading kubeconfig %s: %s (fix it, or choose another file with --kubeconfig)", path, test.why)
			got, err := kubeconfig.Merge(t.Context(), []string{path}, entry("a"), true)
			wantError(t, err, want)
			if got != "" {
				t.Errorf("a path beside the error: %s", got)
			}
			wantError(t, kubeconfig.Remove(t.Context(), []string{path}, "a"), want)
			if got := get(t, path); got != test.content {
				t.Errorf("the file was changed:\n%s", got)
			}
			wantFiles(t, filepath.Dir(path), "config")
		})
	}
}

// TestRefusedToChange checks files in which a change would affect more than the entry.
func TestRefusedToChange(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"a list used elsewhere":    "clusters: &c []\nx: *c\n",
		"a context used elsewhere": "current-context: &c w\nx: *c\n",
		"a stanza used elsewhere":  "users:\n- &u {name: a}\nx: *u\n",
	} {
		path := tempFile(t, content)
		if _, err := kubeconfig.Merge(t.Context(), []string{path}, entry("a"), true); err == nil || !strings.HasPrefix(err.Error(), "changing kubeconfig "+path+": it cannot be changed") {
			t.Errorf("%s: error is %v", name, err)
		}
		if got := get(t, path); got != content {
			t.Errorf("%s: the file was changed:\n%s", name, got)
		}
		wantFiles(t, filepath.Dir(path), "config")
	}
}

func TestMergeErrors(t *testing.T) {
	t.Parallel()
	_, err := kubeconfig.Merge(t.Context(), nil, entry("a"), true)
	wantError(t, err, "merging a kubeconfig entry: no file to put it in")
	folder := t.TempDir()
	_, err = kubeconfig.Merge(t.Context(), []string{filepath.Join(folder, "config")}, kubeconfig.Entry{Name: "a"}, true)
	wantError(t, err, `kubeconfig entry "a": its server is empty`)
	wantFiles(t, folder)
	// The error names every broken file.
	one, two := tempFile(t, "["), tempFile(t, "{")
	_, err = kubeconfig.Merge(t.Context(), []string{one, two}, entry("a"), true)
	if err == nil || strings.Count(err.Error(), "\n") != 1 || !strings.Contains(err.Error(), one) || !strings.Contains(err.Error(), two) {
		t.Errorf("error is %v", err)
	}
}

func TestRemoveLeavesTheRest(t *testing.T) {
	t.Parallel()
	// A rewrite would lose blank lines and unusual spacing.
	const odd = "kind:   Config\n\n\ncurrent-context: w\nclusters:\n    -   name: w\n"
	path := tempFile(t, odd)
	missing := filepath.Join(t.TempDir(), "no", "config")
	if err := os.Chmod(path, 0o440); err != nil {
		t.Fatal(err)
	}
	remove(t, "a", missing, path)
	if got := get(t, path); got != odd {
		t.Errorf("the file was changed:\n%s", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o440 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Dir(missing)); err == nil {
		t.Error("a folder was made for nothing")
	}
}

func TestRemoveFromEveryFile(t *testing.T) {
	t.Parallel()
	one, broken, two := tempFile(t, alone), tempFile(t, "["), tempFile(t, "current-context: a\nusers:\n- name: b\n- name: a\n")
	err := kubeconfig.Remove(t.Context(), []string{one, broken, two}, "a")
	wantError(t, err, "reading kubeconfig "+broken+": line 1: did not find expected node content (fix it, or choose another file with --kubeconfig)")
	if got := get(t, one); got != emptied {
		t.Errorf("first file:\n%s", got)
	}
	if got, want := get(t, two), "current-context: \"\"\nusers:\n- name: b\n"; got != want {
		t.Errorf("last file:\n%s", got)
	}
}

func TestRemoveKeepsAnothersContext(t *testing.T) {
	t.Parallel()
	path := tempFile(t, strings.Replace(alone, "current-context: a", "current-context: a-dev", 1))
	remove(t, "a", path)
	if got, want := get(t, path), strings.Replace(emptied, `""`, "a-dev", 1); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
