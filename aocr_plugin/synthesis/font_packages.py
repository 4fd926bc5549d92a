"""Free fonts and words by their packages; ``tools/fetch_fonts.py`` fetches them."""

DEBIAN = """
fonts-3270 fonts-adf-accanthis fonts-adf-baskervald fonts-adf-berenis fonts-adf-gillius
fonts-adf-ikarius fonts-adf-irianis fonts-adf-libris fonts-adf-mekanus fonts-adf-romande
fonts-adf-solothurn fonts-adf-switzera fonts-adf-tribun fonts-adf-universalis fonts-adf-verana
fonts-agave fonts-allerta fonts-anonymous-pro fonts-arapey fonts-arkpandora fonts-averia-gwf
fonts-averia-sans-gwf fonts-averia-serif-gwf fonts-b612 fonts-bajaderka fonts-bebas-neue
fonts-beteckna fonts-breip fonts-cabin fonts-cantarell fonts-century-catalogue fonts-cherrybomb
fonts-clear-sans fonts-comfortaa fonts-comic-neue fonts-courier-prime fonts-croscore
fonts-crosextra-caladea fonts-crosextra-carlito fonts-dancingscript fonts-dejavu-core
fonts-dejavu-extra fonts-dkg-handwriting fonts-dosis fonts-dustin fonts-ebgaramond
fonts-ecolier-court fonts-essays1743 fonts-eurofurence fonts-fantasque-sans fonts-fanwood
fonts-firacode fonts-freefont-ttf fonts-gfs-artemisia fonts-gfs-didot fonts-gfs-neohellenic
fonts-glasstty fonts-gnutypewriter fonts-go fonts-goudybookletter fonts-hack fonts-havana
fonts-hermit fonts-humor-sans fonts-inconsolata fonts-inter fonts-isabella fonts-jetbrains-mono
fonts-junction fonts-jura fonts-karla fonts-kaushanscript fonts-kristi fonts-lato
fonts-league-mono fonts-league-spartan fonts-leckerli-one fonts-levien-museum
fonts-levien-typoscript fonts-liberation fonts-lindenhill fonts-linuxlibertine fonts-lmodern
fonts-lobster fonts-lobstertwo fonts-manrope fonts-mplus fonts-national-park fonts-noto-mono
fonts-ocr-a fonts-ocr-b fonts-okolaks fonts-oldstandard fonts-open-sans fonts-opendin
fonts-oxygen fonts-paratype fonts-play fonts-prociono fonts-quattrocento fonts-quicksand
fonts-radisnoir fonts-roadgeek fonts-roboto-slab fonts-roboto-unhinted fonts-routed-gothic
fonts-rufscript fonts-sil-andika fonts-sil-charis fonts-sil-doulos fonts-sil-gentium-basic
fonts-sjfonts fonts-staypuft fonts-stix fonts-summersby fonts-texgyre fonts-tiresias
fonts-tomsontalks fonts-tuffy fonts-ubuntu-title fonts-urw-base35 fonts-vollkorn
fonts-yanone-kaffeesatz fonts-yrsa-rasa
""".split()
"""Debian packages of fonts with Latin letters."""

NPM = """
abril-fatface alfa-slab-one allerta-stencil amatic-sc anton archivo-black archivo-narrow
architects-daughter arvo asap-condensed audiowide bangers barlow barlow-condensed bebas-neue bitter
black-ops-one bodoni-moda bungee cabin-condensed carter-one caveat chewy cinzel comfortaa
concert-one cookie cormorant-garamond courgette courier-prime covered-by-your-grace crete-round
crimson-text cutive-mono dancing-script dm-sans dm-serif-display domine eb-garamond exo-2 fira-sans
fira-sans-condensed fjalla-one francois-one fredoka fugaz-one gochi-hand great-vibes handlee
homemade-apple ibm-plex-mono indie-flower josefin-sans josefin-slab kalam karla
league-gothic libre-baskerville lilita-one lobster lora luckiest-guy merriweather michroma
montserrat nunito open-sans orbitron oswald overpass oxanium pacifico passion-one pathway-gothic-one
patrick-hand patua-one paytone-one permanent-marker playball playfair-display poppins
press-start-2p pt-sans pt-serif racing-sans-one rajdhani raleway righteous rock-salt rokkitt
rubik russo-one rye saira-condensed saira-stencil-one satisfy shadows-into-light share-tech-mono
signika silkscreen source-code-pro space-mono special-elite squada-one staatliches stardos-stencil
teko titan-one titillium-web ubuntu ubuntu-condensed ultra vt323 work-sans yellowtail zilla-slab
""".split()
"""Packages ``@fontsource/NAME``."""

WORDS = {"english": "wamerican", "rare": "wamerican-insane"}
"""Debian packages of English words, names among them, by what a list is called here."""
