// Package tombstones keeps, outside the database and its backups, what was cut: severed grants and offboarded tenants.
//
// It relies on a file that only Postern appends to. A database that is restored to before a cut would bring the credential back to life; whoever starts Postern on it has this file, and what it
// lists is cut again before anything is served. The package knows files and ids, no rows: what is cut, and how, is for those above. It never removes a line.
package tombstones
