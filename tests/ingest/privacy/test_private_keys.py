"""Keys that announce a person, a day, a place or a device are known in five languages; findings are none."""

import pytest

from ingest.privacy.private_keys import is_private_key

PRIVATE = """
hausarzt plz scanner_id Geburtsdatum geb Nachname Vorname Straße strasse Wohnort TelefonNr KrankenkasseNr fall_nr
PatNr Uhrzeit Behandler untersucher nom prenom Prénom date_naissance code_postal ville rue médecin telephone NSS
nombre apellidos fecha_nacimiento direccion DNI telefono medico cognome nome data_nascita indirizzo codice_fiscale
città patient_id recording_date DOB zip address deviceSerial ip dossier_no historia_clinica
"""
FINDINGS = """
age sex rhythm diagnosis site cap hr qrs_axis chagas strat_fold nsr visits outcome smoker bmi capnometry phenotype
normal scp_codes heart_axis pacemaker medication device_type station_kind
"""


@pytest.mark.parametrize("key", PRIVATE.split())
def test_what_announces_who_when_or_where_is_private(key):
    assert is_private_key(key)


@pytest.mark.parametrize("key", FINDINGS.split())
def test_findings_are_not(key):
    assert not is_private_key(key)
