# On a control plane, kubectl has the permissions of an administrator, as in a node container.
[ ! -r /etc/kubernetes/admin.conf ] || export KUBECONFIG=/etc/kubernetes/admin.conf
