package bootstrap_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/aged"
	"github.com/mkube/mkube/internal/testing/bootstraptest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// age makes the certificates of a rig's cluster as old as those of a cluster that was created years
// ago. It returns the certificate of the authority.
func (r *rig) age(t *testing.T, years int) string {
	t.Helper()
	ca, err := aged.Certificates(t.Context(), r.nodes(t), time.Now().AddDate(-years, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(ca)
}

func (r *rig) nodes(t *testing.T) []provider.Node {
	t.Helper()
	nodes, err := r.Nodes(context.Background(), "mkube")
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func (r *rig) renew(ctx context.Context, o bootstrap.Options) error {
	o.Wait, o.Kubeconfig = time.Minute, []string{r.Kubeconfig}
	return bootstrap.RenewCertificates(ctx, r, "mkube", o)
}

// wantValid checks that all certificates of all nodes are valid now, with their keys, and that
// those of the cluster's authority verify against its certificate on the control plane.
func (r *rig) wantValid(t *testing.T) {
	t.Helper()
	pool := x509.NewCertPool()
	for _, name := range []string{"ca", "etcd-ca", "front-proxy-ca"} {
		pool.AppendCertsFromPEM([]byte(r.File(t, "control-plane", "/etc/mkube/pki/"+name+".crt")))
	}
	for _, n := range r.nodes(t) {
		for path, pair := range pairs(t, n.(*fake.Node)) {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
				t.Errorf("%s on %s: %v", path, n.Name(), err)
			}
		}
	}
}

// renewals returns the nodes on which certificates were replaced, in order, each with the static
// pods and units that were restarted.
func (r *rig) renewals() []string {
	var list []string
	for _, c := range r.Calls() {
		if c.Method == "Run" && len(c.Args) == 6 && strings.Contains(c.Args[2], "systemctl stop kubelet") {
			list = append(list, fmt.Sprintf("%s: %s; %s", strings.TrimPrefix(c.Node, "mkube-"), c.Args[4], c.Args[5]))
		}
	}
	return list
}

const (
	onControlPlane = ": etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy cloud-controller-manager; kubelet.service kube-network-policies.service"
	onWorker       = ": kube-proxy cloud-controller-manager; kubelet.service kube-network-policies.service"
)

// TestRenewCertificates checks that only certificates change, that what uses them restarts, and
// that the user's entry gets a new client certificate and keeps the rest.
func TestRenewCertificates(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	config := r.kubeconfigEntry(t)
	r.age(t, 2)
	files := r.EveryFile(t)
	var recorder progress.Recorder
	if err := r.renew(t.Context(), bootstrap.Options{On: recorder.On}); err != nil {
		t.Fatal(err)
	}
	r.wantValid(t)
	if after := r.EveryFile(t); !reflect.DeepEqual(after, files) {
		t.Errorf("files changed: %q", changed(files, after))
	}
	got := r.renewals()
	slices.Sort(got)
	if want := []string{"control-plane" + onControlPlane, "worker2" + onWorker, "worker" + onWorker}; !slices.Equal(got, want) {
		t.Errorf("renewed on\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	ends := map[string]progress.State{}
	for _, e := range recorder.Events() {
		ends[e.Step] = e.State
	}
	for _, name := range append(bootstrap.Components(workers.Default()).Names(), "certificates", "kubeconfig") {
		if ends[name] != progress.Done {
			t.Errorf("step %s is %q", name, ends[name])
		}
	}
	if _, shown := ends["pods"]; shown {
		t.Error("pods restarted, although their authority has the same certificate")
	}
	if now := r.kubeconfigEntry(t); now == config || reissuedEntry.ReplaceAllString(now, "") != reissuedEntry.ReplaceAllString(config, "") {
		t.Errorf("the kubeconfig is\n%s\nbefore:\n%s", now, config)
	}
}

// kubeconfigEntry returns the user's kubeconfig.
func (r *rig) kubeconfigEntry(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(r.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// reissuedEntry matches what a new client certificate changes in a kubeconfig.
var reissuedEntry = regexp.MustCompile(`(certificate-authority|client-certificate|client-key)-data: \S+`)

// changed returns the paths of files that differ.
func changed(a, b map[string]string) []string {
	var list []string
	for path := range b {
		if a[path] != b[path] {
			list = append(list, path)
		}
	}
	return list
}

// readers are pods: one that reads the certificate of the authority, one at another path, one that
// may not run again, and one that does not read it.
const readers = `{"items":[
{"metadata":{"uid":"u1"},"spec":{"nodeName":"mkube-worker","restartPolicy":"Always","volumes":[{"name":"tmp"},{"name":"kube-api-access","projected":{"sources":[{"serviceAccountToken":{}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}}]}}]}},
{"metadata":{"uid":"u2"},"spec":{"nodeName":"mkube-worker","restartPolicy":"Always","volumes":[{"name":"own","projected":{"sources":[{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"authority/cert.pem"}]}}]}}]}},
{"metadata":{"uid":"u3"},"spec":{"nodeName":"mkube-worker","restartPolicy":"OnFailure","volumes":[{"name":"a","projected":{"sources":[{"configMap":{"name":"kube-root-ca.crt"}}]}}]}},
{"metadata":{"uid":"u4"},"spec":{"nodeName":"mkube-worker2","restartPolicy":"Always"}}]}`

// TestRenewAuthorities checks a cluster whose authorities have expired: they get certificates for
// the same keys, and the pods that trust them restart.
func TestRenewAuthorities(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	old := r.age(t, 11)
	published := false
	r.API.Handle("/api/v1/configmaps", func(w http.ResponseWriter, req *http.Request) {
		if got := req.URL.RawQuery; got != "fieldSelector=metadata.name=kube-root-ca.crt" {
			t.Errorf("the ConfigMaps are listed with %s", got)
		}
		ca := old // at the first request
		if published {
			ca = r.File(t, "control-plane", "/etc/kubernetes/pki/ca.crt")
		}
		published = true
		fmt.Fprintf(w, `{"items":[{"metadata":{"namespace":"default"},"data":{"ca.crt":%q}}]}`, ca)
	})
	r.API.Handle("/api/v1/pods", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, readers) })
	var stdin string
	r.Programs["xargs"] = func(_ context.Context, n *fake.Node, cmd provider.Cmd) (int, error) {
		data, err := io.ReadAll(cmd.Stdin)
		stdin += n.Name() + "\n" + string(data)
		return 0, err
	}
	if err := r.renew(t.Context(), bootstrap.Options{}); err != nil {
		t.Fatal(err)
	}
	r.wantValid(t)
	if want := "mkube-worker\n/var/lib/kubelet/pods/u1/volumes/kubernetes.io~projected/kube-api-access/ca.crt\n/var/lib/kubelet/pods/u2/volumes/kubernetes.io~projected/own/authority/cert.pem"; stdin != want {
		t.Errorf("the pods that restart are\n%s\nwant\n%s", stdin, want)
	}
	if !published {
		t.Error("nobody asked whether the pods have the new certificate")
	}
	ca := r.File(t, "control-plane", "/etc/mkube/pki/ca.crt")
	if ca == old || ca != r.File(t, "worker", "/etc/kubernetes/pki/ca.crt") || ca != r.File(t, "control-plane", "/etc/kubernetes/pki/ca.crt") {
		t.Error("the nodes do not have the new certificate of the authority")
	}
	entry, found, err := kubeconfig.Find([]string{r.Kubeconfig}, "mkube-mkube")
	if err != nil || !found || string(entry.CA) != ca {
		t.Errorf("the entry is %+v, %t, %v", entry, found, err)
	}
}

// TestStartRenews checks that a cluster of any age starts, also without a wait, and that one with
// more than 30 days left keeps its certificates.
func TestStartRenews(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		issued time.Duration // before now
		wait   time.Duration
		renews bool
	}{
		"two years":                 {2 * 365 * day, time.Minute, true},
		"two years, without a wait": {2 * 365 * day, 0, true},
		"29 days left":              {(365 - 29) * day, time.Minute, true},
		"31 days left":              {(365 - 31) * day, time.Minute, false},
		"not valid yet":             {-day, time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := up(t, workers)
			if _, err := aged.Certificates(t.Context(), r.nodes(t), time.Now().Add(-test.issued)); err != nil {
				t.Fatal(err)
			}
			if err := bootstrap.Stop(t.Context(), r, "mkube"); err != nil {
				t.Fatal(err)
			}
			r.API.Handle("/api/v1/configmaps", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"items":[]}`) })
			r.API.Handle("/api/v1/pods", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"items":[]}`) })
			before := r.kubeconfigEntry(t)
			if err := bootstrap.Start(t.Context(), r, "mkube", bootstrap.Options{Wait: test.wait, Kubeconfig: []string{r.Kubeconfig}}); err != nil {
				t.Fatal(err)
			}
			if got := len(r.renewals()); (got == 3) != test.renews || (got == 0) == test.renews {
				t.Errorf("certificates were renewed on %d nodes", got)
			}
			if got := r.kubeconfigEntry(t) != before; got != test.renews {
				t.Errorf("the kubeconfig was written: %t", got)
			}
			if test.renews {
				r.wantValid(t)
			}
		})
	}
}

const day = 24 * time.Hour

// TestStartRenewsForOneNode checks that a certificate of one worker is enough.
func TestStartRenewsForOneNode(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	nodes := r.nodes(t)
	fresh, err := provider.Archived(t.Context(), nodes[0], "tar", "-C", "/", "-cf", "-", "etc/kubernetes", "etc/mkube/pki", "var/lib/kubelet/pki")
	if err != nil {
		t.Fatal(err)
	}
	r.age(t, 2)
	var back []provider.File
	for path, data := range fresh {
		back = append(back, provider.File{Path: path, Data: data})
	}
	if err := provider.WriteFiles(t.Context(), nodes[0], back); err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.Start(t.Context(), r, "mkube", bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if got := len(r.renewals()); got != 3 {
		t.Errorf("certificates were renewed on %d nodes", got)
	}
}

// TestRenewControlPlanes checks that control planes that work follow one another, and that others
// get their certificates without a wait for each other.
func TestRenewControlPlanes(t *testing.T) {
	t.Parallel()
	const answers = "curl --silent --show-error --fail --max-time 5 --cacert /etc/kubernetes/pki/ca.crt https://"
	for name, works := range map[string]bool{"all work": true, "none works": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			renewing := false
			r.Broken = func(args []string) (string, int, bool) {
				if args[0] != "curl" || !renewing {
					return "", 0, false
				}
				return "", map[bool]int{true: 0, false: 60}[works], true
			}
			if _, err := r.CreateCluster(t.Context(), planes, bootstrap.Options{Wait: time.Minute}); err != nil {
				t.Fatal(err)
			}
			renewing = true
			before := len(r.Calls())
			done := make(chan error)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				done <- r.renew(ctx, bootstrap.Options{On: func(e progress.Event) {
					if e.Step == "certificates" && e.State == progress.Done && !works {
						cancel() // the other API servers never become ready
					}
				}})
			}()
			if err := <-done; (err == nil) != works {
				t.Fatal(err)
			}
			var order []string
			for _, c := range r.Calls()[before:] {
				switch line := strings.Join(c.Args, " "); {
				case strings.Contains(line, "systemctl stop kubelet"):
					order = append(order, "renew "+strings.TrimPrefix(c.Node, "mkube-"))
				case strings.HasPrefix(line, answers) && works:
					order = append(order, "ask "+strings.TrimPrefix(c.Node, "mkube-"))
				}
			}
			want := "ask control-plane ask control-plane2 ask control-plane3 renew control-plane ask control-plane renew control-plane2 ask control-plane2 renew control-plane3 ask control-plane3"
			if got := strings.Join(order, " "); works && !strings.HasPrefix(got, want) {
				t.Errorf("the order is %s", got)
			}
			if !works && len(order) != 3 {
				t.Errorf("renewed: %s", order)
			}
		})
	}
}

// TestRenewAgain checks that another attempt completes one that failed on its way.
func TestRenewAgain(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	old := r.age(t, 11)
	r.API.Handle("/api/v1/configmaps", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"items":[]}`) })
	r.API.Handle("/api/v1/pods", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	err := r.renew(t.Context(), bootstrap.Options{})
	if want := "the API server answers 403: no"; fmt.Sprint(err) != want {
		t.Fatalf("got %v; want %s", err, want)
	}
	if r.File(t, "control-plane", "/etc/mkube/pki/ca.crt") != old {
		t.Error("the authority counts as renewed, although the pods did not restart")
	}
	asked := false
	r.API.Handle("/api/v1/pods", func(w http.ResponseWriter, _ *http.Request) {
		asked = true
		io.WriteString(w, `{"items":[]}`)
	})
	if err := r.renew(t.Context(), bootstrap.Options{}); err != nil || !asked {
		t.Errorf("the second attempt: %v, pods were listed: %t", err, asked)
	}
	r.wantValid(t)
}

// TestRenewOfOtherClocks checks that no certificates are issued that a node would reject.
func TestRenewOfOtherClocks(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{6 * time.Minute, -365 * day} {
		r := up(t, workers)
		r.Ahead = ahead
		err := r.renew(t.Context(), bootstrap.Options{})
		message := fmt.Sprint(err)
		if !strings.HasPrefix(message, "the clock of mkube-") || !strings.Contains(message, ": set the clock that is wrong, because new certificates begin and end by it") {
			t.Errorf("got %v", err)
		}
		if got := r.renewals(); len(got) > 0 {
			t.Errorf("certificates were renewed on %q", got)
		}
	}
}

// TestRenewAtStages checks clusters that lack an API server.
func TestRenewAtStages(t *testing.T) {
	t.Parallel()
	for until, want := range map[string]string{
		"containerd":     "",
		"kubelet":        "control-plane: ; kubelet.service",
		"etcd":           "control-plane: etcd; kubelet.service",
		"kube-apiserver": "control-plane: etcd kube-apiserver; kubelet.service",
	} {
		r := newRig(t)
		if _, err := r.CreateCluster(t.Context(), config.Cluster{}, bootstrap.Options{Wait: time.Minute, Until: until}); err != nil {
			t.Fatal(err)
		}
		if err := r.renew(t.Context(), bootstrap.Options{}); err != nil {
			t.Errorf("%s: %v", until, err)
		}
		if got := strings.Join(r.renewals(), "\n"); got != want {
			t.Errorf("until %s: %s; want %s", until, got, want)
		}
	}
}

// TestRenewKubeconfig checks entries that are not, or not only, those that mkube wrote.
func TestRenewKubeconfig(t *testing.T) {
	t.Parallel()
	other := up(t, config.Cluster{}).kubeconfigEntry(t)
	r := up(t, config.Cluster{})
	own := r.kubeconfigEntry(t)
	entry, _, err := kubeconfig.Find([]string{r.Kubeconfig}, "mkube-mkube")
	if err != nil {
		t.Fatal(err)
	}
	tunnel := strings.Replace(own, entry.Server, "https://localhost:1234", 1)
	for name, test := range map[string]struct{ before, want string }{
		"no entry":                             {bootstraptest.EntryOfOthers, bootstraptest.EntryOfOthers},
		"an entry of a cluster with this name": {other, other},
		"a changed server":                     {tunnel, reissuedEntry.ReplaceAllString(tunnel, "")},
	} {
		if err := os.WriteFile(r.Kubeconfig, []byte(test.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.renew(t.Context(), bootstrap.Options{}); err != nil {
			t.Fatal(err)
		}
		got := r.kubeconfigEntry(t)
		if test.before == tunnel {
			if got == tunnel {
				t.Errorf("%s: the client certificate is the old one", name)
			}
			got = reissuedEntry.ReplaceAllString(got, "")
		}
		if got != test.want {
			t.Errorf("%s: the kubeconfig is\n%s\nwant\n%s", name, got, test.want)
		}
	}
	if err := os.WriteFile(r.Kubeconfig, []byte("["), 0o600); err != nil {
		t.Fatal(err)
	}
	err = r.renew(t.Context(), bootstrap.Options{})
	if message := fmt.Sprint(err); !strings.HasPrefix(message, "reading kubeconfig ") || !strings.HasSuffix(message, "; the cluster is up: mkube export kubeconfig --name mkube writes its entry") {
		t.Errorf("got %v", err)
	}
}

// TestRenewIsAChange checks that no other command changes the cluster at the same time.
func TestRenewIsAChange(t *testing.T) {
	t.Parallel()
	r := up(t, config.Cluster{})
	release, err := state.Hold(t.Context(), r, "mkube", "break")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := r.renew(t.Context(), bootstrap.Options{}); err == nil || !strings.Contains(err.Error(), `is at work on cluster "mkube"`) {
		t.Errorf("got %v", err)
	}
}
