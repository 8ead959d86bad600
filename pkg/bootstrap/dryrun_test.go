package bootstrap_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// A planner is a provider whose nodes the host creates with the programs make, put and boot, and
// reaches with the program on.
type planner struct {
	*fake.Provider
	err error
}

type plannedNode struct{ provider.Node }

func (n plannedNode) Command(cmd provider.Cmd) []string {
	return slices.Concat([]string{"on", n.Name()}, cmd.Args)
}

func (p planner) Plan(ctx context.Context, cfg config.Cluster) (provider.Plan, error) {
	nodes, err := new(fake.Provider).Create(ctx, cfg, "", func([]provider.Node) (map[string][]provider.File, error) { return nil, nil })
	plan := provider.Plan{Put: func(n provider.Node) string { return "put " + n.Name() }}
	for _, n := range nodes {
		plan.Nodes = append(plan.Nodes, plannedNode{n})
		plan.Make, plan.Start = append(plan.Make, "make "+n.Name()), append(plan.Start, "boot "+n.Name())
	}
	return plan, errors.Join(err, p.err)
}

// dryRun returns the output of DryRun for a cluster with every addon, and its warnings.
func dryRun(t *testing.T, p provider.Provider, o bootstrap.Options) (script string, warnings []string, err error) {
	t.Helper()
	var out strings.Builder
	o.Warn = func(line string) { warnings = append(warnings, line) }
	cfg := config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}, Addons: config.Addons()}.Default()
	err = bootstrap.DryRun(t.Context(), p, cfg, o, &out)
	return out.String(), warnings, err
}

// packed matches an archive in a script.
var packed = regexp.MustCompile(`echo (\S+) \| base64 -d \| gunzip`)

// unpacked returns the modes of the files in the archives of a script, and all of their content.
func unpacked(t *testing.T, script string) (modes map[string]int64, content string) {
	t.Helper()
	modes = map[string]int64{}
	for _, m := range packed.FindAllStringSubmatch(script, -1) {
		in, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(m[1])))
		if err != nil {
			t.Fatal(err)
		}
		for files := tar.NewReader(in); ; {
			h, err := files.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			data, readErr := io.ReadAll(files)
			if err := errors.Join(err, readErr); err != nil {
				t.Fatal(err)
			}
			modes["/"+h.Name] = h.Mode
			content += string(data)
		}
	}
	return modes, content
}

// TestDryRun checks that the script has the keys of a cluster, which only root can read on a node,
// and that a shell can read it.
func TestDryRun(t *testing.T) {
	t.Parallel()
	script, warnings, err := dryRun(t, planner{Provider: new(fake.Provider)}, bootstrap.Options{})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("DryRun = %v, warnings %q", err, warnings)
	}
	if !strings.HasPrefix(script, "#!/bin/sh\n# Creates cluster mkube without mkube. This script contains the cluster's private keys: keep it secret.\nset -e\n") {
		t.Errorf("the script begins with %.200q", script)
	}
	modes, _ := unpacked(t, script)
	for _, key := range []string{"/etc/kubernetes/pki/ca.key", "/etc/kubernetes/pki/sa.key", "/etc/kubernetes/admin.conf", "/etc/mkube/heartbeat.key", "/var/lib/kubelet/pki/kubelet.key"} {
		if mode, ok := modes[key]; !ok || mode != 0o600 {
			t.Errorf("%s is there: %t, with the mode %o; want 600", key, ok, mode)
		}
	}
	shell := exec.CommandContext(t.Context(), "sh", "-n")
	shell.Stdin = strings.NewReader(script)
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("sh -n: %v\n%s", err, out)
	}
}

// TestDryRunHidesKeys checks that the script for a terminal has no keys, but everything else.
func TestDryRunHidesKeys(t *testing.T) {
	t.Parallel()
	p := planner{Provider: new(fake.Provider)}
	script, _, err := dryRun(t, p, bootstrap.Options{HideSecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	_, content := unpacked(t, script)
	all := script + content
	for _, encoded := range regexp.MustCompile(`[A-Za-z0-9+/]{40,}=*`).FindAllString(script, -1) {
		data, _ := base64.StdEncoding.DecodeString(encoded)
		all += string(data)
	}
	if strings.Contains(all, "PRIVATE KEY") || strings.Contains(all, "HEARTBEAT KEY") || strings.Contains(all, "client-key-data") {
		t.Error("the script contains a key")
	}
	const note = "# To get the whole script, write it to a file: (umask 077; mkube create cluster --dry-run >script.sh)\n"
	if strings.Count(script, note) != 2 || !strings.HasSuffix(script, "# The cluster's private keys are left out on a terminal, so this script does not work.\n"+note) {
		t.Error("the script does not say twice how to get the whole one")
	}
	for _, line := range []string{
		"make mkube-control-plane", "#   /etc/kubernetes/pki/ca.key", "# (an archive of these files) | put mkube-control-plane", "boot mkube-worker",
		"# on mkube-control-plane tar -C / --no-overwrite-dir -xf -", "mkube export kubeconfig --name mkube",
	} {
		if !strings.Contains(script, "\n"+line+"\n") {
			t.Errorf("the script has no line %q", line)
		}
	}
	whole, _, err := dryRun(t, p, bootstrap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	comments := func(script string) (list []string) {
		for _, line := range strings.Split(script, "\n") {
			if strings.HasPrefix(line, "# ") && strings.Contains(line, ": ") && !strings.Contains(line, "file") && !strings.HasPrefix(line, "# Creates") {
				list = append(list, line)
			}
		}
		return list
	}
	if got, want := comments(script), comments(whole); !slices.Equal(got, want) {
		t.Errorf("the components are %q; want %q", got, want)
	}
}

// A previewer is a provider that shows its nodes in another form.
type previewer struct{ *fake.Provider }

func (previewer) Preview(_ context.Context, cfg config.Cluster, w io.Writer) error {
	_, err := fmt.Fprintf(w, "machines of %s\n", cfg.Name)
	return err
}

// TestDryRunNeedsLittle checks that what Create lacks is a warning, unless the output would be
// wrong.
func TestDryRunNeedsLittle(t *testing.T) {
	t.Parallel()
	problem := func(check, text string) []provider.Problem { return provider.Refuse(check, errors.New(text)) }
	for name, test := range map[string]struct {
		problems []provider.Problem
		ignored  []string
		warnings []string
		err      string
	}{
		"nothing": {},
		"much": {
			slices.Concat(problem(provider.CheckProvider, "no vagrant"), problem(provider.CheckImage, "no bundle"), provider.Warn(provider.CheckMemory, errors.New("little memory"))), nil,
			[]string{"create cluster would fail: no vagrant", "create cluster would fail: no bundle", "little memory"}, "",
		},
		"a setting":         {problem(provider.CheckConfig, "no ports"), nil, nil, "no ports (to ignore this: --ignore-preflight-errors=Config)"},
		"a setting ignored": {problem(provider.CheckConfig, "no ports"), []string{"config"}, []string{"ignored preflight error Config: no ports"}, ""},
	} {
		ignored, err := provider.ParseIgnored(test.ignored)
		if err != nil {
			t.Fatal(err)
		}
		out, warnings, err := dryRun(t, previewer{&fake.Provider{Problems: test.problems}}, bootstrap.Options{IgnorePreflightErrors: ignored})
		if want := "machines of mkube\n"; fmt.Sprint(err) != test.err && (err != nil || test.err != "") || err == nil && out != want || !slices.Equal(warnings, test.warnings) {
			t.Errorf("%s: DryRun writes %q, warns %q, and returns %v; want the warnings %q and the error %q", name, out, warnings, err, test.warnings, test.err)
		}
	}
}

// TestDryRunFails checks errors, with which nothing is written.
func TestDryRunFails(t *testing.T) {
	t.Parallel()
	there := newRig(t)
	if _, err := there.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{}); err != nil {
		t.Fatal(err)
	}
	plain := new(fake.Provider)
	for name, test := range map[string]struct {
		p    provider.Provider
		want string
	}{
		"a cluster that exists": {previewer{there.Provider}, `cluster "mkube" already exists: choose another name with --name, or delete it first: mkube delete cluster --name mkube`},
		"no plan":               {planner{&fake.Provider{Problems: provider.Refuse(provider.CheckImage, errors.New("no image"))}, errors.New("no image")}, "no image"},
		"no such ability":       {plain, "this provider does not support --dry-run"},
	} {
		out, warnings, err := dryRun(t, test.p, bootstrap.Options{})
		if fmt.Sprint(err) != test.want || out != "" || len(warnings) > 0 {
			t.Errorf("%s: DryRun writes %q, warns %q, and returns %v; want the error %s", name, out, warnings, err, test.want)
		}
	}
	if len(plain.Calls()) > 0 {
		t.Errorf("a provider without the ability is called: %v", plain.Calls())
	}
	var broken bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bootstrap.DryRun(ctx, planner{Provider: plain}, config.Cluster{}.Default(), bootstrap.Options{}, &broken); !errors.Is(err, context.Canceled) || broken.Len() > 0 {
		t.Errorf("when it is canceled, DryRun writes %d bytes and returns %v", broken.Len(), err)
	}
}
