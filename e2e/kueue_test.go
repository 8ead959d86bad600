//go:build e2e && nightly

package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestKueue installs kueue with its own chart. Its webhooks suspend jobs and refuse invalid ones,
// its controllers let jobs run when the nodes have room, and its own API server lists the pending
// jobs.
func TestKueue(t *testing.T) {
	t.Parallel()
	helm, programs := filepath.Join(tools(t, "helm", ""), "helm"), tools(t, "kueue", "")
	chart := filepath.Join(sources(t, "kueue", "sigs.k8s.io/kueue"), "charts", "kueue")
	c := create(t, "e2e-queue", "", "--workers", "1")
	loadWeb(t, c)
	loadProgram(t, c, "kueue", filepath.Join(programs, "kueue"), "/manager")
	h := useCharts(t, c, helm)
	image := "controllerManager.manager.image."
	h.install(t, c, "kueue-system", chart,
		image+"repository=mkube/e2e-kueue", image+"tag=test", image+"pullPolicy=Never")
	queues := strings.NewReplacer("FIRST", c.name+"-control-plane", "SECOND", c.name+"-worker").Replace(manifest(t, "kueue.yaml"))

	t.Run("the API server finds its webhooks", func(t *testing.T) {
		eventually(t, "the queues are accepted", func() (bool, string) {
			r := try(t, queues, "kubectl", "--name", c.name, "--", "apply", "-f", "-")
			return r.code == 0, r.String()
		})
		c.kubectl(t, "wait", "--for=condition=Active", "--timeout=180s", "clusterqueue/cluster", "localqueue/local")
	})
	t.Run("its webhook refuses a ClusterQueue that is wrong", func(t *testing.T) {
		r := try(t, manifest(t, "kueue-bad.yaml"), "kubectl", "--name", c.name, "--", "apply", "-f", "-")
		if r.code == 0 || !strings.Contains(r.stderr, `admission webhook "vclusterqueue.kb.io" denied the request`) || !strings.Contains(r.stderr, "nominalQuota") {
			t.Error(r)
		}
	})
	t.Run("its API server answers through the cluster's", func(t *testing.T) {
		c.kubectl(t, "wait", "--for=condition=Available", "--timeout=180s", "apiservice", "v1beta1.visibility.kueue.x-k8s.io", "v1beta2.visibility.kueue.x-k8s.io")
	})
	t.Run("jobs run when there is room for them, and wait until then", func(t *testing.T) { queue(t, c) })
	t.Run("it can be uninstalled", func(t *testing.T) { uninstallKueue(t, c, h) })
}

// queue runs three jobs with room for two.
func queue(t *testing.T, c cluster) {
	for _, name := range []string{"one", "two", "three"} {
		job := strings.ReplaceAll(manifest(t, "kueue-job.yaml"), "NAME", name)
		if out := c.apply(t, job, "create", "-f", "-", "-o", "jsonpath={.spec.suspend}"); out != "true" {
			t.Errorf("job %s is created with suspend=%q, want true", name, out)
		}
		if name != "three" {
			admitted(t, c, name)
		}
	}
	first, second := ranOn(t, c, "one"), ranOn(t, c, "two")
	if want := c.name + "-control-plane " + c.name + "-worker"; first+" "+second != want {
		t.Errorf("jobs one and two run on %s and %s; want %s", first, second, want)
	}
	eventually(t, "job three waits, and no other", func() (bool, string) {
		list, out := pending(t, c)
		return len(list) == 1 && strings.HasPrefix(list[0], "job-three-"), out
	})
	if out := c.kubectl(t, "get", "jobs", "-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.suspend} {.status.active}{"\n"}{end}`); out != "one false 1\nthree true \ntwo false 1\n" {
		t.Errorf("the jobs, whether they are suspended, and their pods:\n%s", out)
	}
	if out := condition(t, c, "three", "QuotaReserved"); out != "False" {
		t.Errorf("QuotaReserved of job three is %q, want False", out)
	}
	finish(t, c, "two")
	admitted(t, c, "three")
	if third := ranOn(t, c, "three"); third != second {
		t.Errorf("job three runs on %s; there is room on %s", third, second)
	}
	if list, out := pending(t, c); len(list) != 0 {
		t.Errorf("all jobs were admitted, but some wait: %s", out)
	}
	finish(t, c, "one")
	finish(t, c, "three")
	for _, name := range []string{"one", "two", "three"} {
		eventually(t, "kueue knows that job "+name+" has finished", func() (bool, string) {
			out := condition(t, c, name, "Finished")
			return out == "True", out
		})
	}
}

func admitted(t *testing.T, c cluster, job string) {
	t.Helper()
	eventually(t, "job "+job+" is admitted", func() (bool, string) {
		out := condition(t, c, job, "Admitted")
		return out == "True", out + "\n" + c.kubectl(t, "get", "workloads", "-o", "yaml")
	})
}

// condition returns the status of a condition of a job's Workload.
func condition(t *testing.T, c cluster, job, condition string) string {
	t.Helper()
	return c.kubectl(t, "get", "workloads", "-o",
		`jsonpath={.items[?(@.metadata.ownerReferences[0].name=="`+job+`")].status.conditions[?(@.type=="`+condition+`")].status}`)
}

// ranOn waits for a job's pod and returns its node.
func ranOn(t *testing.T, c cluster, job string) string {
	t.Helper()
	c.kubectl(t, "wait", "--for=create", "--timeout=180s", "pod", "--selector=job-name="+job)
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod", "--selector=job-name="+job)
	return c.kubectl(t, "get", "pods", "--selector=job-name="+job, "-o", "jsonpath={.items[*].spec.nodeName}")
}

// finish ends a running job.
func finish(t *testing.T, c cluster, job string) {
	t.Helper()
	c.kubectl(t, "exec", "job/"+job, "--", "sh", "-c", ": >/tmp/done")
	c.kubectl(t, "wait", "--for=condition=Complete", "--timeout=180s", "job/"+job)
}

// pending returns the pending workloads, according to kueue's API server.
func pending(t *testing.T, c cluster) (names []string, answer string) {
	t.Helper()
	answer = c.kubectl(t, "get", "--raw", "/apis/visibility.kueue.x-k8s.io/v1beta2/clusterqueues/cluster/pendingworkloads")
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil {
		t.Fatalf("the answer about the queue: %v\n%s", err, answer)
	}
	for _, item := range list.Items {
		names = append(names, item.Metadata.Name)
	}
	return names, answer
}

// uninstallKueue uninstalls kueue, and checks that it leaves nothing and that a job runs as
// without it.
func uninstallKueue(t *testing.T, c cluster, h charts) {
	c.kubectl(t, "delete", "jobs", "--all", "--timeout=180s")
	c.kubectl(t, "delete", "--timeout=180s", "localqueue/local", "clusterqueue/cluster", "resourceflavor/first", "resourceflavor/second")
	h.run(t, "uninstall", "kueue-system", "--namespace", "kueue-system", "--wait", "--timeout", "2m")
	noneLeft(t, c, "kueue", "pods,mutatingwebhookconfigurations,validatingwebhookconfigurations,apiservices,customresourcedefinitions")
	c.apply(t, manifest(t, "job.yaml"), "apply", "-f", "-")
	c.kubectl(t, "wait", "--for=condition=Complete", "--timeout=180s", "job/count")
}
