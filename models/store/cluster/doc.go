// Package cluster runs a private PostgreSQL server for one Postern, from the Postgres programs found on the machine.
//
// It owns a folder: the data, the superuser's password, the socket and the server's log. It makes the cluster on the first
// start, keeps its data between starts, and sees to it that the server never outlives the process that started it, however
// that process ends. It also lends all tests of a machine one throwaway server (ForTests).
//
// It relies on initdb, postgres and pg_ctl of one installation (PostgreSQL 14 or later), on /bin/sh, and on Unix: process
// credentials, file locks, sockets. Started by root it runs the server as an unprivileged user, because Postgres refuses root.
//
// It never listens on a network address, never sends data anywhere, never upgrades the data of an older major version, and
// knows nothing of Postern's schema and roles: those belong to models/store and migrations.
package cluster
